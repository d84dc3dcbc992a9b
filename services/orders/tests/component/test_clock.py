"""The database's clock decides deadlines: no time of an order comes from the clock of a process."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from chassis.events import Money
from orders import handlers
from orders.domain import Item
from orders.events import PaymentCaptured, PaymentDeclined
from testkit import received

TOTAL = Money(amount_minor=2598, currency="EUR")
HALF_A_MINUTE = timedelta(seconds=30)


async def test_an_order_is_placed_and_due_by_the_clock_of_the_database(floor: Any) -> None:
    order = handlers.PlaceOrder("c-ada", [Item("mug", 1)], "EUR", "tok_ok", HALF_A_MINUTE, most_pending=1)
    async with floor.database.transaction() as tx:
        now = await tx.connection.value(text("SELECT now()"))
        placed = await handlers.place_order(tx, order)
    row = await floor.row(placed.order_id)
    assert (row.placed_at, row.deadline_at) == (now, now + HALF_A_MINUTE)
    assert placed.deadline_at == row.deadline_at


@pytest.mark.parametrize("ending", ["confirmed", "rejected", "cancelled"])
async def test_an_order_ends_by_the_clock_of_the_database(floor: Any, ending: str) -> None:
    order_id = await floor.place()
    async with floor.database.transaction() as tx:
        now = await tx.connection.value(text("SELECT now()"))
        match ending:
            case "confirmed":
                captured = PaymentCaptured(order_id=order_id, customer_id="c-ada", amount=TOTAL)
                await handlers.confirm_order(tx, [received(captured)])
            case "rejected":
                declined = PaymentDeclined(order_id=order_id, customer_id="c-ada", amount=TOTAL)
                await handlers.reject_unpaid_order(tx, [received(declined)])
            case "cancelled":
                await handlers.cancel_order(tx, order_id, "c-ada")
        [event] = [row.data for row in tx.rows]
    assert (await floor.row(order_id)).ended_at == now
    assert now.isoformat().replace("+00:00", "Z") in event
