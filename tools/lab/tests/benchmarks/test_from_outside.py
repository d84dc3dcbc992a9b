"""What is seen of a shop from outside: figures out of requests and of orders' beginnings and ends."""

from __future__ import annotations

import pytest

from shop_lab.benchmarks.from_outside import seen
from shop_observe.history import Request


def placing(number: int, waited: float | None, status: int | None = 202) -> Request:
    answered = None if waited is None else 100.0 + waited
    return Request("run", number, "place-order", f"key-{number}", "", "", 0, 100.0, status, "order", answered)


def test_the_figures_are_of_all_orders_and_of_answered_requests() -> None:
    asked = [*(placing(n, n / 100) for n in range(100)), placing(100, None, None), placing(101, 9.0, 503)]
    found = seen("compose", asked, [(100.0, 100.5), (101.0, 110.0)])
    assert (found.orders, found.failed) == (2, 2)
    assert found.orders_per_second == pytest.approx(2 / 10)
    assert found.answered_ms == pytest.approx({"p50": 500.0, "p90": 900.0, "p99": 990.0})
    assert found.confirmed_ms["p99"] == pytest.approx(9_000.0)
