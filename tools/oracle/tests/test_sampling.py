"""Which orders' spans are judged, and what is said when none can be."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shop_oracle.evidence import Order
from shop_oracle.sampling import SAMPLED_TRACES, choose_orders

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"


def order(number: int, state: str = "CONFIRMED", flags: str = "01", age: float = 60.0) -> Order:
    """An order that was placed `age` seconds ago and ended at once."""
    placed_at = NOW - timedelta(seconds=age)
    traceparent = f"{TRACE}-{flags}" if flags else ""
    return Order(f"o-{number}", state, "", 100, "EUR", placed_at, placed_at, placed_at, traceparent)


@pytest.fixture
def spans(tmp_path: Path) -> Path:
    """A folder in which spans were received, and none deleted."""
    (tmp_path / "00000001.otlp").touch()
    return tmp_path


def test_every_outcome_is_in_the_sample(spans: Path) -> None:
    orders = [order(n) for n in range(500)] + [order(n, "REJECTED") for n in range(500, 503)]
    chosen, unjudged = choose_orders(spans, orders, {}, NOW)
    assert unjudged == ""
    assert len(chosen) <= SAMPLED_TRACES
    assert [o.state for o in chosen].count("REJECTED") == 3


def test_orders_whose_spans_have_had_the_time_to_arrive_come_first(spans: Path) -> None:
    orders = [order(n, age=1.0) for n in range(100)] + [order(n, age=60.0) for n in range(100, 110)]
    chosen, _ = choose_orders(spans, orders, {}, NOW)
    assert {o.id for o in chosen} == {f"o-{n}" for n in range(100, 110)}


@pytest.mark.parametrize(
    ("flags", "traced"), [("01", True), ("03", True), ("00", False), ("02", False), ("", False)]
)
def test_only_orders_whose_spans_are_kept_are_sampled(spans: Path, flags: str, traced: bool) -> None:
    chosen, unjudged = choose_orders(spans, [order(1, flags=flags)], {}, NOW)
    assert bool(chosen) is traced
    assert ("tracing is off" in unjudged) is not traced


def test_without_any_spans_it_is_said_where_they_were_looked_for(tmp_path: Path) -> None:
    chosen, unjudged = choose_orders(tmp_path, [order(1)], {}, NOW)
    assert chosen == []
    assert str(tmp_path) in unjudged


def test_orders_from_before_the_last_start_of_a_service_are_not_held_to_be_complete(spans: Path) -> None:
    started = {"payments": NOW - timedelta(seconds=30), "orders": NOW - timedelta(hours=1)}
    chosen, _ = choose_orders(spans, [order(1, age=60.0), order(2, age=20.0)], started, NOW)
    assert [o.id for o in chosen] == ["o-2"]
    chosen, unjudged = choose_orders(spans, [order(1, age=60.0)], started, NOW)
    assert chosen == []
    assert "payments was started" in unjudged


def test_orders_from_before_the_oldest_segment_are_not_held_to_be_complete(tmp_path: Path) -> None:
    oldest = tmp_path / "00000007.otlp"
    oldest.touch()
    written = (NOW - timedelta(seconds=30)).timestamp()
    os.utime(oldest, (written, written))
    chosen, _ = choose_orders(tmp_path, [order(1, age=60.0), order(2, age=20.0)], {}, NOW)
    assert [o.id for o in chosen] == ["o-2"]
