"""What the oracle computes from the log alone."""

from fractions import Fraction

import pytest

from shop_oracle import replay


def waited(*microseconds: int) -> list[replay.Facts]:
    return [
        {"placed_at": "2026-11-28T10:00:00+00:00", "confirmed_at": f"2026-11-28T10:00:02.{wait:06d}+00:00"}
        for wait in microseconds
    ]


def test_a_median_is_the_float_nearest_to_the_exact_value() -> None:
    # Halves of floats give 2.9250049999999996, which rounds to another fifth digit.
    assert replay.time_to_confirm(waited(925_000, 925_010))["p50"] == 2.925005


@pytest.mark.parametrize(("name", "exact"), [("p90", 2.9258246), ("p99", 2.92582496)])
def test_percentiles_are_the_floats_nearest_to_the_exact_value(name: str, exact: float) -> None:
    assert replay.time_to_confirm(waited(925_815, 925_823, 925_825))[name] == exact


def test_of_no_orders_there_are_no_percentiles() -> None:
    assert replay.time_to_confirm([]) == {"orders": 0, "p50": None, "p90": None, "p99": None}


def test_plain_seconds_have_percentiles_too() -> None:
    assert replay.percentile([1.0, 3.0], 0.5) == 2.0
    assert replay.percentile([Fraction(1), Fraction(2)], Fraction(1, 4)) == Fraction(5, 4)
