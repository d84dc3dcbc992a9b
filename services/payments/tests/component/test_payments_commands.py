"""Commands of an orchestrator run the use cases of the events, and a cancellation is answered."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import text

from chassis.events import ConsumedEvent, Money, new_id
from payments.commands import COMMANDS, CancelPayment, ChargePayment
from testkit import published, received

AMOUNT = Money(amount_minor=1250, currency="EUR")


async def carry_out(floor: Any, command: ConsumedEvent) -> tuple[list[str], set[str]]:
    """A command arrives. Returns the events that payments publishes, and the jobs that are woken."""
    async with floor.db.transaction() as tx:
        await COMMANDS.by_type[command.event_type].handler(tx, [received(command)])
        return [event.event_type.split(".")[1] for event in await published(tx)], tx.wakes


async def state_of(floor: Any, order_id: UUID) -> str:
    async with floor.db.reading() as connection:
        query = text("SELECT state FROM payments WHERE order_id = :id")
        return str(await connection.value(query, {"id": order_id}))


def charge(order_id: UUID) -> ChargePayment:
    now = datetime.now(UTC)
    return ChargePayment(
        order_id=order_id,
        customer_id="c-ada",
        total=AMOUNT,
        payment_token=SecretStr("tok_ok"),
        placed_at=now,
        deadline_at=now + timedelta(minutes=1),
    )


async def test_one_command_opens_a_payment_and_makes_it_due(floor: Any) -> None:
    order_id = new_id()
    assert await carry_out(floor, charge(order_id)) == ([], {"charge-due-payments"})
    assert await state_of(floor, order_id) == "DUE"


async def test_a_cancellation_voids_what_was_not_charged_and_is_answered_each_time(floor: Any) -> None:
    order_id = new_id()
    await carry_out(floor, charge(order_id))
    cancel = CancelPayment(order_id=order_id, customer_id="c-ada", reason="customer")
    for _ in range(2):
        assert (await carry_out(floor, cancel))[0] == ["command-done"]
        assert await state_of(floor, order_id) == "VOIDED"


async def test_a_charge_after_its_cancellation_is_not_made(floor: Any) -> None:
    order_id = new_id()
    await carry_out(floor, CancelPayment(order_id=order_id, customer_id="c-ada", reason="deadline"))
    assert await carry_out(floor, charge(order_id)) == ([], set())
    assert await state_of(floor, order_id) == "VOIDED"
