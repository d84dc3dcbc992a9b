"""Where an order's time went."""

import pytest

from shop_lab.benchmarks.latency_breakdown import STAGES, share

# Request, then each stage: the nth order takes n milliseconds for each, and three times as long to be charged.
ORDERS = [
    tuple((nth * 100_000 + nth * steps) / 1_000 for steps in (0, 1, 2, 3, 6, 7)) for nth in (3, 1, 5, 2, 4)
]


@pytest.mark.parametrize(
    ("low", "high", "each"),
    [(0.4, 0.6, 3.0), (0.0, 0.4, 1.5), (0.98, 1.0, 5.0), (0.0, 1.0, 3.0)],
)
def test_a_share_of_the_orders_is_told_by_stage(low: float, high: float, each: float) -> None:
    told = share(ORDERS, low, high)
    assert list(told) == list(STAGES)
    assert told == pytest.approx({name: 3 * each if name == "charged" else each for name in STAGES}, abs=0.01)
