"""An outcome becomes one notification, whatever arrives how often."""

import asyncio
from typing import Any
from uuid import UUID

from chassis.events import Cause, Money, new_id
from notifications import handlers
from notifications.events import OrderConfirmed
from testkit import received, statements

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_each_outcome_becomes_a_pending_notification(desk: Any) -> None:
    confirmed, rejected, cancelled = new_id(), new_id(), new_id()
    await desk.confirm(confirmed)
    await desk.reject(rejected)
    await desk.cancel(cancelled, "deadline")
    await desk.refund(cancelled)
    rows = {(row["order_id"], row["kind"]): row for row in await desk.rows()}
    assert set(rows) == {
        (confirmed, "confirmed"),
        (rejected, "rejected"),
        (cancelled, "cancelled"),
        (cancelled, "refunded"),
    }
    assert {row["state"] for row in rows.values()} == {"PENDING"}
    assert rows[rejected, "rejected"]["reason"] == "out_of_stock"
    assert rows[confirmed, "confirmed"]["amount_minor"] == 2598


async def test_a_refund_that_is_told_in_both_versions_becomes_one_message_with_the_reason(
    desk: Any, order: UUID
) -> None:
    """Payments publishes the second version first."""
    await desk.refund_with_reason(order)
    await desk.refund(order)
    [row] = await desk.rows()
    assert (row["kind"], row["reason"], row["amount_minor"]) == ("refunded", "deadline", 2598)


async def test_a_rejection_keeps_the_products_that_are_sold_out(desk: Any, order: UUID) -> None:
    await desk.reject(order, sold_out=("mug", "tea"))
    async with desk.database.transaction() as tx:
        [message] = await handlers.claim_messages(tx, 10, 20)
    assert message.sold_out == ("mug", "tea")


async def test_the_same_outcome_announced_again_changes_nothing(desk: Any, order: UUID) -> None:
    await desk.confirm(order)
    before = await desk.rows()
    await desk.confirm(order)
    assert await desk.rows() == before


async def test_two_replicas_that_announce_the_same_orders_at_once_agree(desk: Any) -> None:
    orders = [new_id() for _ in range(50)]
    await asyncio.gather(desk.confirm(*orders), desk.confirm(*reversed(orders)))
    assert sorted(row["order_id"] for row in await desk.rows()) == sorted(orders)


async def test_a_reason_of_tomorrow_is_kept_as_it_came(desk: Any, order: UUID) -> None:
    await desk.reject(order, "invented-tomorrow")
    (row,) = await desk.rows()
    assert row["reason"] == "invented-tomorrow"


async def test_the_cause_is_kept_so_that_the_trace_can_go_on(desk: Any, order: UUID) -> None:
    confirmed = OrderConfirmed(order_id=order, customer_id="c", total=Money(amount_minor=1, currency="EUR"))
    cause = Cause(new_id(), "the-conversation", TRACEPARENT)
    async with desk.database.transaction() as tx:
        await handlers.announce_confirmation(tx, [received(confirmed)._replace(cause=cause)])
    (row,) = await desk.rows()
    assert Cause(row["cause_event_id"], row["correlation_id"], row["traceparent"]) == cause


async def test_a_batch_is_one_statement_however_long_it_is(desk: Any) -> None:
    counts = []
    for size in (1, 100):
        with statements() as sent:
            await desk.confirm(*(new_id() for _ in range(size)))
        counts.append(len(sent))
    assert counts == [1, 1]
