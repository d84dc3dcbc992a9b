"""docs/skew.md has the table of each committed run of `shop skew`, and no other; each of these runs is green."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from shop_lab.skew.cells import Question
from shop_lab.skew.report import markdown_of
from shop_stack.ports import SERVICES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "skew.md").read_text()
RUNS = {file.stem: json.loads(file.read_text()) for file in sorted((ROOT / "docs" / "skew").glob("*.json"))}
HEAD = "| Service | N−1 | N | Question |"
CURE = "copy skew.json of a run to docs/skew/<N>.json, and the text of its skew.md into docs/skew.md"

Run = dict[str, Any]


def faults(page: str, runs: dict[str, Run]) -> list[str]:
    """The differences between the page and the runs, in words."""
    found = [
        f"the table of {name} differs" for name, run in runs.items() if markdown_of(run).strip() not in page
    ]
    if page.count(HEAD) != len(runs):
        found.append(f"{page.count(HEAD)} tables and {len(runs)} runs")
    return found


def uncounted(run: Run) -> list[str]:
    """The cells of a run that do not count: not green, or a possible direction without a message."""
    return [
        f"{cell['service']}, {cell['question']}"
        for cell in run["cells"]
        if cell["ruling"] != "green" or 0 in cell["messages"].values()
    ]


def test_the_page_has_the_table_of_each_run() -> None:
    assert RUNS
    assert faults(PAGE, RUNS) == [], CURE


@pytest.mark.parametrize("name", RUNS)
def test_each_run_has_every_cell_and_each_counts(name: str) -> None:
    cells = [(cell["service"], cell["question"]) for cell in RUNS[name]["cells"]]
    assert sorted(cells) == sorted((service, question.value) for service in SERVICES for question in Question)
    assert uncounted(RUNS[name]) == []
    assert RUNS[name]["holds"] is True


def test_another_count_and_a_missing_table_are_found() -> None:
    """The test above can fail."""
    name, run = next(iter(RUNS.items()))
    changed = copy.deepcopy(run)
    changed["cells"][0]["orders"] += 1
    assert faults(PAGE, {**RUNS, name: changed}) == [f"the table of {name} differs"]
    assert faults(PAGE, {**RUNS, "another": run}) != []
    changed["cells"][0]["messages"]["old_to_new"] = 0
    assert len(uncounted(changed)) == 1
