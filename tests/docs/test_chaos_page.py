"""docs/chaos.md has the table of the committed results, and each committed experiment has its wanted verdict there."""

from __future__ import annotations

from typing import Any

import pytest

from shop_chaos import catalogue, committed
from shop_stack.errors import UserError

PAGE = committed.page_file().read_text()
RUN = [dict(one) for one in committed.read()]
NAMES = {each.name for each in catalogue.experiments()}
MEASURED = "it measures for minutes to an hour, and its numbers are in docs/proofs.md"
HALVES = "it was carried out in two halves before results were kept, and its numbers are in docs/chaos.md"
WITHOUT = {
    **dict.fromkeys(
        ("foreign", "open-transaction", "overload", "rebalances", "replicas", "republish", "shutdown"),
        MEASURED,
    ),
    "kill-campaign": HALVES,
}
"""Experiment → why it has no result in the table."""
CURE = "carry it out with `shop chaos run NAME`, then `shop chaos record .shop/report/chaos.json`"


def unproved(names: set[str], run: list[dict[str, Any]]) -> list[str]:
    """The experiments without a result, or with another verdict than the expected one, and results of none."""
    green = {one["experiment"] for one in run if one["ruling"] == one["expected"]}
    return [*sorted(names - green), *sorted({one["experiment"] for one in run} - names)]


def test_the_page_has_the_table_of_the_committed_results() -> None:
    assert committed.with_table(PAGE, RUN) == PAGE, CURE


def test_each_experiment_has_a_result_that_is_green_or_a_reason_for_none() -> None:
    assert unproved(NAMES - set(WITHOUT), RUN) == [], CURE


def test_only_experiments_without_a_result_have_a_reason_for_it() -> None:
    assert set(WITHOUT) <= NAMES
    assert not set(WITHOUT) & {one["experiment"] for one in RUN}


@pytest.mark.parametrize("ruling", ["vacuous", "violated", "not run"])
def test_a_result_that_is_not_green_is_found(ruling: str) -> None:
    changed = [{**RUN[-1], "ruling": ruling}, *RUN[:-1]]
    assert RUN[-1]["experiment"] in unproved(NAMES, changed)


def test_an_experiment_without_a_result_and_a_result_of_none_are_found() -> None:
    assert "new" in unproved({*NAMES, "new"}, RUN)
    assert "gone" in unproved(NAMES, [*RUN, {**RUN[0], "experiment": "gone"}])


def test_a_page_with_another_count_differs() -> None:
    changed = [{**RUN[0], "orders": RUN[0]["orders"] + 1}, *RUN[1:]]
    assert committed.with_table(PAGE, changed) != PAGE


def test_a_newer_result_replaces_the_older_one() -> None:
    newer = {**RUN[0], "orders": 7, "numbers": []}
    run = [dict(one) for one in committed.added(RUN, [newer], "2099-01-01")]
    assert len(run) == len(RUN)
    assert (run[0]["orders"], run[0]["date"]) == (7, "2099-01-01")


def test_a_page_without_a_place_for_the_table_is_refused() -> None:
    with pytest.raises(UserError, match="no line '## Last results'"):
        committed.with_table("# Chaos\n", RUN)
