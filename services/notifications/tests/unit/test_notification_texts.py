"""What a customer is told."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from notifications import domain
from notifications.domain import Kind, Message
from notifications.jobs import PAUSES

ID = UUID("01980000-0000-7000-8000-00000000003a")


def message(kind: Kind, reason: str | None = None, sold_out: tuple[str, ...] = ()) -> Message:
    return Message(
        id=ID,
        order_id=UUID("01980000-0000-7000-8000-00000000000a"),
        kind=kind,
        customer_id="customer-ada",
        message_id=domain.message_id(ID),
        amount="12.99 EUR",
        reason=reason,
        sold_out=sold_out,
        created_at=datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
        attempts=1,
    )


@pytest.mark.parametrize("kind", Kind)
def test_every_outcome_has_a_text_that_names_the_order(kind: Kind) -> None:
    text = message(kind).text
    assert "01980000-0000-7000-8000-00000000000a" in text
    assert kind in message(kind).subject


@pytest.mark.parametrize("kind", [Kind.CONFIRMED, Kind.REFUNDED])
def test_money_that_moved_is_named(kind: Kind) -> None:
    assert "12.99 EUR" in message(kind).text


@pytest.mark.parametrize("reason", ["out_of_stock", "payment_declined"])
def test_a_rejection_says_why(reason: str) -> None:
    assert message(Kind.REJECTED, reason).text != message(Kind.REJECTED).text


def test_a_rejection_names_the_products_that_are_sold_out() -> None:
    assert "we do not have enough of mug, tea." in message(Kind.REJECTED, "out_of_stock", ("mug", "tea")).text


def test_a_rejection_names_five_products_at_most() -> None:
    skus = tuple(f"sku-{number}" for number in range(7))
    assert "sku-4 and 2 more. You were" in message(Kind.REJECTED, "out_of_stock", skus).text


def test_a_refund_says_why_if_it_is_known() -> None:
    text = message(Kind.REFUNDED, "deadline").text
    assert "12.99 EUR for your order: it could not be completed in time." in text


@pytest.mark.parametrize("kind", [Kind.REJECTED, Kind.CANCELLED, Kind.REFUNDED])
def test_a_reason_that_nobody_told_us_about_is_left_out(kind: Kind) -> None:
    assert message(kind, "eaten_by_the_dog").text == message(kind).text


def test_the_message_id_depends_on_the_notification_alone() -> None:
    assert domain.message_id(ID) == f"<{ID}@shopfloor.example>"


def test_pauses_grow_up_to_ten_minutes() -> None:
    pauses = [PAUSES.pause(attempts) for attempts in (1, 3, 5, 7, 9)]
    assert 1 <= pauses[0] <= 2
    assert pauses == sorted(pauses)
    assert all(300 <= PAUSES.pause(attempts) <= 600 for attempts in range(10, 2_000))
