"""docs/architectures.md says what the last committed run of `shop compare` measured, in its tables and its charts."""

import copy
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shop_lab.compare.drawing import charts, write_pictures
from shop_lab.compare.figures import FIGURES
from shop_lab.compare.hops import CALLED, CALLER
from shop_lab.compare.plan import SHAPES
from shop_lab.compare.table import NONE, markdown_of, title
from shop_lab.values import number

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architectures.md").read_text()
RUN: dict[str, Any] = json.loads((ROOT / "docs" / "architectures" / "compare.json").read_text())
PICTURES = ROOT / "docs" / "pictures" / "architectures"
SITUATIONS = "| Situation |"
UNMEASURED = "no figure yet"
UNMEASURED_FIGURES: frozenset[str] = frozenset()
UNMEASURED_SHAPES: frozenset[str] = frozenset()
"""Figures and shapes that are newer than the run. The page names each."""
CURE = (
    "copy compare.json of a run to docs/architectures, run `python -m shop_lab.compare.drawing "
    "docs/architectures/compare.json docs/pictures/architectures`, and correct the page"
)

Report = Mapping[str, Any]


def figures_of(report: Report) -> dict[str, str]:
    """Title of a row → its medians, as the page writes them: one for each shape, in the order of the report."""
    return {
        title(row): " / ".join(
            number(row["shapes"][shape]["median"]) if shape in row["shapes"] else NONE
            for shape in report["shapes"]
        )
        for row in report["values"].values()
    }


def situations(page: str) -> dict[str, str]:
    """Situation → the cell with our figures."""
    lines = page[page.index(SITUATIONS) :].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return {row[0]: row[2] for row in cells}


def faults(page: str, report: Report) -> list[str]:
    """The differences between the page and a run, in words."""
    found = [] if markdown_of(report) in page else ["the table of the run differs"]
    known = figures_of(report)
    for situation, cell in situations(page).items():
        for item in re.split(r"; ?", cell):
            name, _, values = item.rpartition(": ")
            if item == UNMEASURED:
                continue
            if name not in known:
                found.append(f"{situation}: the run has no value {name!r}")
            elif values != known[name]:
                found.append(f"{situation}: {name} is {known[name]}, and the page says {values}")
    return found


def cannot_have(key: str, shape: str) -> bool:
    """Whether a shape cannot have a value: a call needs a shared process, and a cut from Kafka needs Kafka."""
    if key == "hop_call_ms":
        return SHAPES[shape].unit_of(CALLER) != SHAPES[shape].unit_of(CALLED)
    return key.startswith("cut_kafka_") and not SHAPES[shape].has_kafka


def without_a_value(report: Report) -> list[str]:
    """The values that a shape should have and has not."""
    return [
        f"{key} of {shape}"
        for key, row in report["values"].items()
        for shape in report["shapes"]
        if (shape not in row["shapes"]) != cannot_have(key, shape)
    ]


def test_the_page_says_what_the_run_measured() -> None:
    assert faults(PAGE, RUN) == [], CURE


def test_each_situation_has_a_figure_or_says_that_there_is_none() -> None:
    cells = situations(PAGE)
    assert len(cells) >= 7
    assert [situation for situation, cell in cells.items() if not cell] == []


def test_the_run_has_each_shape_and_each_figure_or_the_page_says_that_it_has_not() -> None:
    assert set(RUN["shapes"]) | UNMEASURED_SHAPES == set(SHAPES)
    assert [name for name in UNMEASURED_SHAPES if f"(`{name}`)" not in PAGE] == []
    measured = {row["figure"] for row in RUN["values"].values()}
    assert measured | UNMEASURED_FIGURES == set(FIGURES)
    assert [name for name in UNMEASURED_FIGURES - measured if f"(`{name}`)" not in PAGE] == []
    assert RUN["holds"] is True
    assert RUN["missing"] == []
    assert RUN["effort"]["rounds"] >= 3
    assert without_a_value(RUN) == []


@pytest.mark.parametrize("name", charts(RUN))
def test_a_chart_is_drawn_from_the_run(name: str, tmp_path: Path) -> None:
    write_pictures(RUN, tmp_path)
    assert (PICTURES / f"{name}.svg").read_text() == (tmp_path / f"{name}.svg").read_text(), CURE


def test_each_chart_of_the_page_is_one_of_the_run() -> None:
    shown = re.findall(r"\]\(pictures/architectures/([\w-]+)\.svg\)", PAGE)
    assert shown
    assert set(shown) <= set(charts(RUN))
    assert {file.stem for file in PICTURES.glob("*.svg")} == set(charts(RUN))


def test_the_how_to_explains_each_figure() -> None:
    page = (ROOT / "docs" / "how-to" / "choose-a-shape.md").read_text()
    table = page[page.index("| `--only` |") :].split("\n\n")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)} == set(FIGURES)


def test_another_value_an_unknown_one_and_another_table_are_found() -> None:
    """The tests above can fail."""
    changed = copy.deepcopy(RUN)
    changed["values"]["memory_mb"]["shapes"]["monolith"]["median"] += 1000
    differing = faults(PAGE, changed)
    assert differing[0] == "the table of the run differs"
    assert any("memory at rest, MB is" in fault for fault in differing)
    del changed["values"]["memory_mb"]["shapes"]["monolith"]
    assert without_a_value(changed) == ["memory_mb of monolith"]
    lie = PAGE.replace("memory at rest, MB: ", "memory in all, MB: ")
    assert any("the run has no value 'memory in all, MB'" in fault for fault in faults(lie, RUN))
