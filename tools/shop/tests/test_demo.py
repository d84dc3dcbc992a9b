"""`shop demo`: the times of its orders."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from shop.demo import Demonstration, as_json, outcomes_table
from shop_load.plans import Scenario
from shop_oracle.evidence import Evidence, Order
from shop_oracle.report import Verdict

AT = datetime(2026, 1, 1, tzinfo=UTC)


def demonstration(seconds: float) -> Demonstration:
    """Two orders, each of which took so long."""
    evidence, placed = Evidence(), list[Any]()
    for id_ in ("o-1", "o-2"):
        ended = AT + timedelta(seconds=seconds)
        evidence.orders[id_] = Order(id_, "CONFIRMED", "", 100, "EUR", AT, AT, ended, "")
        placed.append(SimpleNamespace(order_id=id_, plan=SimpleNamespace(scenario=Scenario.CONFIRMED)))
    return Demonstration(placed, evidence, Verdict([], []))


def printed(shown: Demonstration) -> str:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(outcomes_table(shown))
    return captured.get()


def test_orders_in_steps_have_a_time() -> None:
    assert "250 ms" in printed(demonstration(0.25))
    assert as_json(demonstration(0.25))["place_to_end_ms"]["p50"] == 250.0


def test_orders_of_one_transaction_have_no_time_instead_of_none_at_all() -> None:
    text = printed(demonstration(0.0))
    assert "0 ms" not in text
    assert "Each order was one transaction" in text
    assert "2 CONFIRMED" in text
    assert as_json(demonstration(0.0))["place_to_end_ms"] == {"p50": None, "p90": None, "p99": None}
