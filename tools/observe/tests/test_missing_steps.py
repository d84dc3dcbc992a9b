"""Which steps of an order are still to come."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from shop_observe.kafka_log import Entry
from shop_observe.missing_steps import missing_steps


def event(type_: str, **data: Any) -> Entry:
    return Entry(
        topic="any",
        partition=0,
        offset=0,
        sent_ms=0,
        key="o-1",
        id=type_,
        source=f"/{type_.partition('.')[0]}",
        type=type_,
        correlation_id="o-1",
        causation_id="",
        traceparent="",
        decided_at="2026-03-02T09:00:00+00:00",
        value=json.dumps(data).encode(),
    )


PLACED = event("orders.order-placed.v1")
RESERVED = event("inventory.stock-reserved.v1")
CAPTURED = event("payments.payment-captured.v1")
CONFIRMED = event("orders.order-confirmed.v1")
COMMITTED = event("inventory.stock-committed.v1")
REJECTED = event("orders.order-rejected.v1")
CANCELLED = event("orders.order-cancelled.v1")
RELEASED = event("inventory.stock-released.v1")
REFUNDED = event("payments.payment-refunded.v1")


def told(kind: str) -> Entry:
    return event("notifications.notification-sent.v1", kind=kind)


@pytest.mark.parametrize(
    ("events", "missing"),
    [
        ([PLACED], ["inventory stock-reserved or stock-rejected"]),
        ([PLACED, RESERVED], ["payments payment-captured or payment-declined"]),
        ([PLACED, RESERVED, CAPTURED], ["orders order-confirmed, order-rejected or order-cancelled"]),
        (
            [PLACED, event("inventory.stock-rejected.v1")],
            ["orders order-confirmed, order-rejected or order-cancelled"],
        ),
        (
            [PLACED, RESERVED, CAPTURED, CONFIRMED],
            ["inventory stock-committed", "notifications notification-sent (confirmed)"],
        ),
        ([PLACED, RESERVED, CAPTURED, CONFIRMED, COMMITTED], ["notifications notification-sent (confirmed)"]),
        ([PLACED, RESERVED, CAPTURED, CONFIRMED, told("confirmed")], ["inventory stock-committed"]),
        (
            [PLACED, RESERVED, REJECTED],
            ["inventory stock-released", "notifications notification-sent (rejected)"],
        ),
        ([PLACED, REJECTED], ["notifications notification-sent (rejected)"]),
        ([PLACED, CANCELLED, RESERVED, told("cancelled")], ["inventory stock-released"]),
        (
            [PLACED, RESERVED, CANCELLED, RELEASED, CAPTURED, told("cancelled")],
            ["payments payment-refunded", "notifications notification-sent (refunded)"],
        ),
        (
            [PLACED, RESERVED, CANCELLED, RELEASED, CAPTURED, REFUNDED, told("cancelled")],
            ["notifications notification-sent (refunded)"],
        ),
    ],
)
def test_the_steps_that_follow_from_what_happened_are_missing(
    events: list[Entry], missing: list[str]
) -> None:
    assert [f"{step.service} {step.event}" for step in missing_steps(events)] == missing


@pytest.mark.parametrize(
    "events",
    [
        [PLACED, RESERVED, CAPTURED, CONFIRMED, COMMITTED, told("confirmed")],
        [PLACED, RESERVED, REJECTED, RELEASED, told("rejected")],
        [PLACED, REJECTED, told("rejected")],
        [PLACED, CANCELLED, told("cancelled")],
        [PLACED, RESERVED, CANCELLED, RELEASED, CAPTURED, REFUNDED, told("cancelled"), told("refunded")],
    ],
)
def test_a_complete_story_lacks_nothing(events: list[Entry]) -> None:
    assert missing_steps(events) == []


def test_a_foreign_record_is_no_step() -> None:
    foreign = replace(CONFIRMED, fault="its source is another service")
    assert missing_steps([PLACED, foreign]) == missing_steps([PLACED])
