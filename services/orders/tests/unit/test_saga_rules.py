"""The rules of the orchestrated saga: what follows from a message, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from chassis.events import ConsumedEvent, Money
from orders.events import PaymentCaptured, PaymentDeclined, StockRejected
from orders.orchestrator import messages, progress
from orders.orchestrator.definition import LONGEST_TIMES, PLACE_ORDER, Ending
from orders.orchestrator.messages import OrderCancelled, OrderConfirmed, OrderRejected
from orders.orchestrator.progress import Progress

ORDER = uuid4()
NOW = datetime.now(UTC)
TOTAL = Money(amount_minor=2598, currency="EUR")
PLACED = messages.OrderPlaced(
    order_id=ORDER,
    customer_id="c-ada",
    lines=(messages.PlacedLine(sku="mug", quantity=2),),
    total=TOTAL,
    payment_token="tok_ok",
    placed_at=NOW,
    deadline_at=NOW + timedelta(seconds=60),
)
OUT: dict[str, Any] = {"order_id": ORDER, "customer_id": "c-ada", "total": TOTAL}
CONFIRMED = OrderConfirmed(**OUT)
REJECTED = OrderRejected(**OUT, reason="out_of_stock", sold_out=("mug",))
CANCELLED = OrderCancelled(**OUT, reason="customer")


def names(found: Progress | None) -> list[str]:
    """The commands in the queue, without service and version."""
    assert found is not None
    return [command.type.split(".")[1] for command in found.queue]


def after(found: Progress, *answers: type[ConsumedEvent]) -> Progress:
    """The progress after these answers, each of which is awaited."""
    for answer in answers:
        changed = progress.answered(found, answer.event_type, None)
        assert changed is not None, answer
        found = replace(changed, sent=1)
    return found


def ending_of(event: ConsumedEvent) -> Ending:
    return next(ending for ending in PLACE_ORDER.endings if ending.event is type(event))


def ended(found: Progress | None, event: ConsumedEvent) -> Progress | None:
    return progress.ended(found, ending_of(event), event, ORDER)


def test_a_placed_order_has_all_steps_before_it() -> None:
    assert names(progress.begun(PLACED, ORDER)) == ["reserve-stock", "charge-payment"]


def test_a_command_has_what_its_participant_needs_and_no_more() -> None:
    reserve, charge = progress.begun(PLACED, ORDER).queue
    assert reserve.data == {"order_id": str(ORDER), "lines": [{"sku": "mug", "quantity": 2}]}
    assert (charge.data["payment_token"], "lines" in charge.data) == ("tok_ok", False)


def test_an_answer_brings_the_next_step() -> None:
    found = after(progress.begun(PLACED, ORDER), messages.StockReserved)
    assert (names(found), found.done) == (["charge-payment"], ("orders.reserve-stock.v1",))
    found = after(found, PaymentCaptured)
    assert (names(found), len(found.done)) == ([], 2)


def test_an_answer_that_comes_twice_changes_nothing() -> None:
    found = after(progress.begun(PLACED, ORDER), messages.StockReserved)
    assert progress.answered(found, messages.StockReserved.event_type, None) is None


def test_an_answer_to_a_command_that_was_not_sent_changes_nothing() -> None:
    assert progress.answered(progress.begun(PLACED, ORDER), PaymentCaptured.event_type, None) is None


@pytest.mark.parametrize("late", [messages.StockReserved, StockRejected, PaymentCaptured, PaymentDeclined])
def test_an_answer_after_the_end_changes_nothing(late: type[ConsumedEvent]) -> None:
    for before in (
        progress.begun(PLACED, ORDER),
        after(progress.begun(PLACED, ORDER), messages.StockReserved),
    ):
        cancelled = ended(before, CANCELLED)
        assert cancelled is not None
        assert progress.answered(cancelled, late.event_type, None) is None


def test_after_a_failed_step_no_further_step_is_sent() -> None:
    assert names(after(progress.begun(PLACED, ORDER), StockRejected)) == []


def test_a_confirmed_order_is_not_compensated() -> None:
    paid = after(progress.begun(PLACED, ORDER), messages.StockReserved, PaymentCaptured)
    assert names(ended(paid, CONFIRMED)) == ["commit-stock", "announce-confirmation"]


def test_an_order_without_stock_has_nothing_to_undo() -> None:
    assert names(ended(after(progress.begun(PLACED, ORDER), StockRejected), REJECTED)) == [
        "announce-rejection"
    ]


def test_a_declined_order_gives_back_its_stock() -> None:
    declined = after(progress.begun(PLACED, ORDER), messages.StockReserved, PaymentDeclined)
    assert names(ended(declined, REJECTED)) == ["release-stock", "announce-rejection"]


def test_compensations_come_in_the_reverse_order_of_the_steps() -> None:
    paid = after(progress.begun(PLACED, ORDER), messages.StockReserved, PaymentCaptured)
    assert names(ended(paid, CANCELLED)) == ["cancel-payment", "release-stock", "announce-cancellation"]


def test_a_step_without_an_answer_is_undone_too_because_it_may_have_happened() -> None:
    reserving = progress.begun(PLACED, ORDER)
    assert names(ended(reserving, CANCELLED)) == ["release-stock", "announce-cancellation"]
    charging = after(reserving, messages.StockReserved)
    assert names(ended(charging, CANCELLED)) == ["cancel-payment", "release-stock", "announce-cancellation"]


def test_of_an_order_without_a_row_every_step_is_undone() -> None:
    assert names(ended(None, CANCELLED)) == ["cancel-payment", "release-stock", "announce-cancellation"]


def test_an_order_ends_once() -> None:
    cancelled = ended(progress.begun(PLACED, ORDER), CANCELLED)
    assert ended(cancelled, CANCELLED) is None


def test_a_compensation_waits_for_the_one_before_it() -> None:
    cancelled = ended(after(progress.begun(PLACED, ORDER), messages.StockReserved), CANCELLED)
    assert cancelled is not None
    cancel, release = (f"orders.{name}.v1" for name in ("cancel-payment", "release-stock"))
    done = messages.PaymentsDone.event_type
    assert progress.answered(cancelled, done, release) is None
    assert progress.answered(cancelled, messages.InventoryDone.event_type, cancel) is None
    assert names(progress.answered(cancelled, done, cancel)) == ["release-stock", "announce-cancellation"]


def test_a_refund_is_announced_after_what_is_still_to_do() -> None:
    event = messages.PaymentRefunded(order_id=ORDER, customer_id="c-ada", refunded=TOTAL, reason="customer")
    cancelled = ended(progress.begun(PLACED, ORDER), CANCELLED)
    assert names(progress.refunded(cancelled, event, ORDER))[-2:] == [
        "announce-cancellation",
        "announce-refund",
    ]
    assert names(progress.refunded(None, event, ORDER)) == ["announce-refund"]


def test_the_pause_before_a_command_is_sent_again_doubles_up_to_a_limit() -> None:
    begun = progress.begun(PLACED, ORDER)
    pauses = [progress.seconds_until_repeat(replace(begun, sent=sent)) for sent in (1, 2, 3, 99)]
    assert pauses == [30, 60, 120, 30 * LONGEST_TIMES]
    assert progress.seconds_until_repeat(Progress(ORDER)) is None


def test_each_command_of_the_definition_has_an_answer_and_a_timeout() -> None:
    calls = list(PLACE_ORDER.calls())
    assert len({call.command for call in calls}) == len(calls)
    assert all(call.timeout > 0 and call.done.event.event_type for call in calls)
    assert [call.participant for call in calls[:2]] == ["inventory", "payments"]
