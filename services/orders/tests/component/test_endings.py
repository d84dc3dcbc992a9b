"""How orders end, each of them once."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from chassis.events import Money, PublishedEvent
from orders import domain, handlers, jobs
from orders.events import OrderCancelled, OrderConfirmed, OrderRejected, PaymentCaptured
from testkit import published, received, statements

TOTAL = Money(amount_minor=2598, currency="EUR")


async def test_a_captured_payment_confirms_the_order(floor: Any) -> None:
    order_id = await floor.place()
    [event] = await floor.confirm(order_id)
    row = await floor.row(order_id)
    assert isinstance(event, OrderConfirmed)
    assert (event.order_id, event.version, event.total.amount_minor) == (order_id, 2, 2598)
    assert (row.state, row.reason, row.version, row.ended_at) == ("CONFIRMED", None, 2, event.confirmed_at)


@pytest.mark.parametrize(
    ("rejection", "reason"), [("reject_unstocked", "out_of_stock"), ("reject_unpaid", "payment_declined")]
)
async def test_the_type_of_the_event_says_why_an_order_is_rejected(
    floor: Any, rejection: str, reason: str
) -> None:
    order_id = await floor.place()
    [event] = await getattr(floor, rejection)(order_id)
    row = await floor.row(order_id)
    assert isinstance(event, OrderRejected)
    assert (event.reason, event.version, event.rejected_at) == (reason, 2, row.ended_at)
    assert (row.state, row.reason) == ("REJECTED", reason)


async def test_a_rejection_names_the_products_that_are_sold_out(floor: Any) -> None:
    [sold_out] = await floor.reject_unstocked(await floor.place(), skus=("mug", "tea"))
    [declined] = await floor.reject_unpaid(await floor.place())
    assert (sold_out.sold_out, declined.sold_out) == (["mug", "tea"], [])


async def test_a_customer_cancels_a_pending_order(floor: Any) -> None:
    order_id = await floor.place()
    [event] = await floor.cancel(order_id)
    row = await floor.row(order_id)
    assert isinstance(event, OrderCancelled)
    assert (event.reason, event.version, event.cancelled_at) == ("customer", 2, row.ended_at)
    assert (row.state, row.reason) == ("CANCELLED", "customer")


async def test_the_history_tells_every_step_with_its_event(floor: Any) -> None:
    order_id = await floor.place()
    await floor.reject_unstocked(order_id)
    placed, rejected = (await floor.row(order_id)).history
    assert (placed["event"], placed["state"]) == ("orders.order-placed.v1", "PENDING")
    assert (rejected["event"], rejected["state"], rejected["reason"]) == (
        "orders.order-rejected.v1",
        "REJECTED",
        "out_of_stock",
    )
    assert placed["at"] <= rejected["at"]


async def test_an_order_past_its_deadline_is_cancelled_and_one_before_it_is_not(floor: Any) -> None:
    late, early = await floor.place(seconds=-1), await floor.place(seconds=60)
    [event] = await floor.sweep()
    assert (event.order_id, event.reason) == (late, "deadline")
    assert (await floor.row(late)).state == "CANCELLED"
    assert (await floor.row(early)).state == "PENDING"


async def test_two_sweepers_at_once_cancel_every_overdue_order_once(floor: Any) -> None:
    overdue = {await floor.place(seconds=-1) for _ in range(20)}
    swept = await asyncio.gather(*(floor.sweep() for _ in range(4)))
    assert sorted(event.order_id for events in swept for event in events) == sorted(overdue)


async def test_the_job_says_how_much_it_swept_so_that_a_backlog_is_swept_at_once(floor: Any) -> None:
    await floor.place(seconds=-1)
    sweep = jobs.JOBS["cancel-overdue-orders"].run
    assert await sweep(floor.database) == 1
    assert await sweep(floor.database) == 0


async def test_a_sweep_takes_the_longest_overdue_first_and_no_more_than_its_limit(
    floor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "MAX_CANCELLED_AT_ONCE", 1)
    second, first = await floor.place(seconds=-10), await floor.place(seconds=-20)
    assert [event.order_id for event in await floor.sweep()] == [first]
    assert [event.order_id for event in await floor.sweep()] == [second]


async def test_what_a_clock_or_a_customer_ends_continues_the_trace_of_the_order(floor: Any) -> None:
    traceparent = f"00-{uuid4().hex}-{uuid4().hex[:16]}-01"
    swept, cancelled = await floor.place(seconds=-1), await floor.place()
    async with floor.database.transaction() as tx:
        await tx.connection.execute(text("UPDATE orders SET traceparent = :it"), {"it": traceparent})
    await floor.sweep()
    await floor.cancel(cancelled)
    for order_id in (swept, cancelled):
        ending = (await floor.outbox(order_id))[-1]
        assert (ending.traceparent, ending.correlation_id, ending.causation_id) == (
            traceparent,
            str(order_id),
            None,
        )


async def test_what_a_message_ends_is_published_because_of_that_message(floor: Any) -> None:
    order_id = await floor.place()
    message = received(PaymentCaptured(order_id=order_id, customer_id="c-ada", amount=TOTAL))
    async with floor.database.transaction() as tx:
        await handlers.confirm_order(tx, [message])
    ending = (await floor.outbox(order_id))[-1]
    assert (ending.causation_id, ending.correlation_id) == (
        message.cause.event_id,
        message.cause.correlation_id,
    )


@pytest.mark.parametrize("late", ["confirm", "reject_unpaid", "reject_unstocked"])
async def test_a_message_that_comes_too_late_changes_nothing(floor: Any, late: str) -> None:
    order_id = await floor.place()
    await floor.cancel(order_id)
    assert await getattr(floor, late)(order_id) == []
    row = await floor.row(order_id)
    assert (row.state, row.version, len(row.history)) == ("CANCELLED", 2, 2)


async def test_a_shortage_for_an_order_that_is_not_ours_changes_nothing(floor: Any) -> None:
    assert await floor.reject_unstocked(uuid4()) == []


@pytest.mark.parametrize("fact", ["confirm", "reject_unpaid"])
async def test_an_order_that_the_database_has_lost_is_cancelled_once(floor: Any, fact: str) -> None:
    order_id = await floor.place()
    async with floor.database.transaction() as tx:
        await tx.connection.execute(text("DELETE FROM orders"))
        await tx.connection.execute(text("DELETE FROM outbox"))
    [event] = await getattr(floor, fact)(order_id)
    assert isinstance(event, OrderCancelled)
    assert (event.order_id, event.customer_id, event.total) == (order_id, "c-ada", TOTAL)
    assert (event.reason, event.version) == ("unknown_order", 2)
    row = await floor.row(order_id)
    assert (row.state, row.reason, row.version, row.total_minor) == ("CANCELLED", "unknown_order", 2, 2598)
    assert await getattr(floor, fact)(order_id) == []


async def test_lost_orders_in_a_batch_leave_the_others_as_they_are(floor: Any) -> None:
    ours, cancelled, lost = await floor.place(), await floor.place(), uuid4()
    await floor.cancel(cancelled)
    events = await floor.confirm(lost, cancelled, ours)
    assert len(events) == 2
    ended = {event.order_id: event.event_type for event in events}
    assert ended == {ours: OrderConfirmed.event_type, lost: OrderCancelled.event_type}


@pytest.mark.parametrize(
    "amount",
    [
        Money(amount_minor=2597, currency="EUR"),
        Money(amount_minor=2599, currency="EUR"),
        Money(amount_minor=2598, currency="USD"),
    ],
)
async def test_a_capture_of_another_amount_confirms_nothing(floor: Any, amount: Money) -> None:
    order_id = await floor.place()
    with pytest.raises(domain.CaptureMismatch):
        await floor.confirm(order_id, amount=amount)
    assert (await floor.row(order_id)).state == "PENDING"


async def test_the_same_message_twice_has_one_effect(floor: Any) -> None:
    order_id = await floor.place()
    assert len(await floor.confirm(order_id)) == 1
    assert await floor.confirm(order_id) == []


async def test_cancelling_again_is_harmless_and_publishes_nothing(floor: Any) -> None:
    order_id = await floor.place()
    await floor.cancel(order_id)
    assert await floor.cancel(order_id) == []


async def test_cancelling_an_order_that_its_deadline_cancelled_is_harmless(floor: Any) -> None:
    order_id = await floor.place(seconds=-1)
    await floor.sweep()
    assert await floor.cancel(order_id) == []
    assert (await floor.row(order_id)).reason == "deadline"


@pytest.mark.parametrize("ending", ["confirm", "reject_unpaid"])
async def test_an_order_that_ended_otherwise_cannot_be_cancelled(floor: Any, ending: str) -> None:
    order_id = await floor.place()
    await getattr(floor, ending)(order_id)
    with pytest.raises(domain.OrderAlreadyEnded):
        await floor.cancel(order_id)


async def test_a_race_of_all_endings_has_one_winner_and_one_event(floor: Any) -> None:
    for _ in range(10):
        order_id: UUID = await floor.place(seconds=-1)
        results = await asyncio.gather(
            floor.confirm(order_id),
            floor.reject_unpaid(order_id),
            floor.reject_unstocked(order_id),
            floor.cancel(order_id),
            floor.sweep(),
            return_exceptions=True,
        )
        unexpected = [result for result in results if isinstance(result, BaseException)]
        assert all(isinstance(result, domain.OrderAlreadyEnded) for result in unexpected)
        events = [event for result in results if isinstance(result, list) for event in result]
        row = await floor.row(order_id)
        assert len(events) == 1
        assert row.version == 2
        assert row.history[-1]["event"] == _type_of(events[0])


async def test_a_batch_ends_each_order_with_its_own_facts_in_a_constant_number_of_statements(
    floor: Any,
) -> None:
    order_ids = [await floor.place(customer_id=f"c-{number}") for number in range(50)]
    with statements() as few:
        await floor.confirm(*order_ids[:2])
    with statements() as many:
        events = await floor.confirm(*order_ids[2:])
    assert len(few) == len(many) == 2  # the update, the outbox
    assert sorted(event.order_id for event in events) == sorted(order_ids[2:])
    assert {event.order_id: event.customer_id for event in events} == {
        order_id: f"c-{number}" for number, order_id in enumerate(order_ids) if number >= 2
    }


async def test_nothing_is_published_when_the_transaction_fails(floor: Any) -> None:
    order_id = await floor.place()
    with pytest.raises(RuntimeError, match="planted"):
        await cancel_and_fail(floor, order_id)
    assert (await floor.row(order_id)).state == "PENDING"
    assert [row.type for row in await floor.outbox(order_id)] == ["orders.order-placed.v1"]


async def cancel_and_fail(floor: Any, order_id: UUID) -> None:
    async with floor.database.transaction() as tx:
        await handlers.cancel_order(tx, order_id, "c-ada")
        assert len(await published(tx)) == 1
        raise RuntimeError("planted")


def _type_of(event: PublishedEvent) -> str:
    return event.event_type
