"""What became of the orders while something was broken, counted by what the oracle read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shop_lab.compare.window import Window, shares
from shop_oracle.evidence import Order

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def order(state: str, placed: float, ended: float | None) -> Order:
    """An order with the seconds since BEGAN at which it was placed and ended."""
    moments = [None if at is None else BEGAN + timedelta(seconds=at) for at in (placed, ended)]
    assert moments[0] is not None
    return Order("o", state, "", 1, "EUR", moments[0], BEGAN + timedelta(hours=1), moments[1], "")


def test_orders_count_that_were_placed_and_ended_before_the_repair() -> None:
    window = Window("payments_raises", BEGAN, BEGAN + timedelta(seconds=10), tried=20, accepted=5)
    orders = [
        order("CONFIRMED", 1, 2),
        order("CANCELLED", 1, 9),
        order("CANCELLED", 1, 11),  # ended after the cure
        order("PENDING", 1, None),
        order("CONFIRMED", -3, -1),  # of an earlier window
    ]
    assert shares(window, orders) == {
        "payments_raises_accepted": 25.0,
        "payments_raises_ended": 10.0,
        "payments_raises_confirmed": 5.0,
    }
