"""An order's story out of the log."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from shop_observe.kafka_log import Entry
from shop_observe.timeline import is_compensated, money, steps_of, timeline_line, timeline_table

BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def entry(number: int, type_: str, causation: int | None = None, key: str = "o-1", **data: Any) -> Entry:
    moment = BEGIN + timedelta(milliseconds=100 * number)
    return Entry(
        topic="any",
        partition=0,
        offset=number,
        sent_ms=round(moment.timestamp() * 1000) + 1_000,
        key=key,
        id=f"event-{number}",
        source=f"/{type_.partition('.')[0]}",
        type=type_,
        correlation_id=key,
        causation_id="" if causation is None else f"event-{causation}",
        traceparent="",
        decided_at=moment.isoformat(),
        value=json.dumps(data).encode(),
    )


STORY = [
    entry(4, "payments.payment-refunded.v1", causation=2, amount={"amount_minor": 1_250, "currency": "EUR"}),
    entry(0, "orders.order-placed.v1", lines=[{"sku": "MUG", "quantity": 2}]),
    entry(2, "orders.order-cancelled.v1", reason="deadline"),
    entry(1, "inventory.stock-reserved.v1", causation=0),
    entry(1, "inventory.stock-reserved.v1", causation=0),
    entry(3, "inventory.stock-released.v1", causation=2),
    entry(9, "orders.order-placed.v1", key="another order"),
]


def test_events_are_told_once_and_in_the_order_in_which_they_happened() -> None:
    steps = steps_of(STORY, "o-1")
    assert [(round(step.offset_ms), step.service, step.event, step.cause) for step in steps] == [
        (0, "orders", "order-placed", "a request"),
        (100, "inventory", "stock-reserved", "order-placed"),
        (200, "orders", "order-cancelled", "the deadline"),
        (300, "inventory", "stock-released", "order-cancelled"),
        (400, "payments", "payment-refunded", "order-cancelled"),
    ]


def test_an_order_is_compensated_when_stock_and_money_went_back() -> None:
    assert is_compensated(steps_of(STORY, "o-1"))
    assert not is_compensated(steps_of(STORY[1:], "o-1"))


def test_a_story_says_with_what() -> None:
    console = Console(width=120, no_color=True)
    with console.capture() as capture:
        console.print(timeline_table(steps_of(STORY, "o-1"), "An order"))
        console.print(timeline_line(steps_of(STORY, "o-1")[-1]))
    for words in ("2 x MUG", "12.50 EUR", "deadline", "+400 ms", "because of order-cancelled"):
        assert words in capture.get()


def test_an_event_that_is_no_json_does_not_stop_a_story() -> None:
    broken = Entry("any", 0, 1, 0, "o-1", "event-7", "/x", "odd", "", "", "", "not a time", b"\xff")
    (step,) = steps_of([broken], "o-1")
    assert step.event == "odd"


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        ({"amount_minor": 1_250, "currency": "EUR"}, "12.50 EUR"),
        ({"amount_minor": 1_250, "currency": "JPY"}, "1,250 JPY"),
        ({"amount_minor": 1_250, "currency": "KWD"}, "1.250 KWD"),
        ({"amount_minor": 10**18 - 1, "currency": "EUR"}, "9,999,999,999,999,999.99 EUR"),
        ({"amount_minor": 1_250, "currency": "ZZZ"}, "1,250 ZZZ"),
    ],
)
def test_an_amount_has_the_minor_units_of_its_currency(amount: dict[str, Any], written: str) -> None:
    assert money(amount) == written
