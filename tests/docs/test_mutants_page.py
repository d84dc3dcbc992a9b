"""docs/mutants.md has each mutant of chaos/mutants, and the last committed run has caught it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shop_mutants.catalogue import Mutant, read
from tools.docs.mutants import PAGE, ROOT, RUN, with_table

MUTANTS = read(ROOT)
LAST_RUN: list[dict[str, Any]] = json.loads(RUN.read_text())["mutants"]
CURE = "run `shop mutate --json >docs/mutants/last-run.json`, then `make pictures`"


def unproved(mutants: list[Mutant], run: list[dict[str, Any]]) -> list[str]:
    """The mutants that the run has not caught as they are now, and those that are gone."""
    caught = [
        {field: value for field, value in one.items() if field not in ("verdict", "why", "seconds")}
        for one in run
        if one["verdict"] == "caught"
    ]
    missing = [mutant.name for mutant in mutants if mutant.as_json() not in caught]
    gone = {one["name"] for one in run} - {mutant.name for mutant in mutants}
    return [*missing, *sorted(gone)]


def test_the_last_run_has_caught_each_mutant() -> None:
    assert unproved(MUTANTS, LAST_RUN) == [], CURE


def test_the_page_has_the_table_of_the_last_run() -> None:
    assert with_table(PAGE.read_text(), LAST_RUN) == PAGE.read_text(), "run `make pictures`"


@pytest.mark.parametrize(
    "change",
    [{"verdict": "survived"}, {"without": "another pattern"}, {"caught_by": []}, {"name": "unknown"}],
)
def test_a_mutant_that_was_not_caught_or_has_changed_is_found(change: dict[str, Any]) -> None:
    assert unproved(MUTANTS, [{**LAST_RUN[0], **change}, *LAST_RUN[1:]])[0] == LAST_RUN[0]["name"]


def test_a_page_that_tells_of_another_run_is_found() -> None:
    changed = [{**LAST_RUN[0], "verdict": "survived"}, *LAST_RUN[1:]]
    assert with_table(PAGE.read_text(), changed) != PAGE.read_text()


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="no lines"):
        with_table("# A page", LAST_RUN)
