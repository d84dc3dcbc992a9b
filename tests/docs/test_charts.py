"""The charts of docs/performance.md show the numbers of its tables."""

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shop_lab.benchmarks import pictures

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "performance.md"
FOLDER = ROOT / "docs" / "pictures"
CURE = (
    "run `python -m shop_lab.benchmarks.pictures .shop/report/bench.json docs/pictures`, and copy the numbers"
)
TITLES = {"PostgreSQL": "postgres", "Kafka": "kafka"}
"""How the table calls a process → how the bench calls it."""

Numbers = Mapping[str, float]


def figures() -> dict[str, Any]:
    """The numbers of the charts, as the bench wrote them."""
    report: dict[str, Any] = json.loads((FOLDER / pictures.FIGURES).read_text())
    return report


def column(page: str, head: str, place: int) -> dict[str, float]:
    """One column of numbers of the table whose head begins so: first cell → number."""
    rows = page[page.index(f"| {head} |") :].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    return {row[0]: float(re.sub(r"[^\d.]", "", row[place])) for row in cells}


def differences(page: str, report: Mapping[str, Any]) -> list[str]:
    """Numbers that the tables say and the charts do not."""
    shop = report["figures"]["cpu"]["detail"]["by_part"]["shop"]
    stages = report["figures"]["latency"]["detail"]["by_stage_ms"]
    cpu = {TITLES.get(name, name): ms for name, ms in column(page, "Process", 1).items()}
    return [
        *_differing("CPU", cpu, shop, 1),
        *_differing("middle fifth", column(page, "End of stage", 1), stages["middle fifth"], 0),
        *_differing("slowest 2 %", column(page, "End of stage", 2), stages["slowest 2 %"], 0),
    ]


def _differing(table: str, written: Numbers, drawn: Numbers, digits: int) -> list[str]:
    return [
        f"{table}, {name}: the table says {ms}, and the chart {drawn.get(name)}"
        for name, ms in written.items()
        if round(drawn.get(name, -1), digits) != ms
    ]


def test_the_charts_show_what_the_tables_say() -> None:
    assert differences(PAGE.read_text(), figures()) == [], CURE


@pytest.mark.parametrize("name", pictures.CHARTS)
def test_a_chart_is_drawn_from_the_numbers_beside_it(name: str, tmp_path: Path) -> None:
    pictures.write_pictures(figures(), tmp_path)
    assert (FOLDER / f"{name}.svg").read_text() == (tmp_path / f"{name}.svg").read_text(), CURE
    assert f"](pictures/{name}.svg)" in PAGE.read_text()


@pytest.mark.parametrize("name", pictures.CHARTS)
def test_a_chart_stands_alone(name: str) -> None:
    text = (FOLDER / f"{name}.svg").read_text()
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "href" not in text
    assert "url(" not in text


def test_a_table_with_other_numbers_than_its_chart_is_seen() -> None:
    page = PAGE.read_text()
    row = next(line for line in page.splitlines() if line.startswith("| orders |"))
    lie = page.replace(row, row.replace("| orders | ", "| orders | 9"))
    assert [fault.partition(":")[0] for fault in differences(lie, figures())] == ["CPU, orders"]
    stage = next(line for line in page.splitlines() if line.startswith("| charged |"))
    lie = page.replace(stage, "| charged | 1 ms | 2 ms | none |")
    assert len(differences(lie, figures())) == 2
