"""The report of a run: green only if every cell is, and the same in the table, in JSON and in HTML."""

from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

from rich.console import Console

from shop_lab.skew.cells import Cell, Crossings, Expected, Question
from shop_lab.skew.page import page_of, write_page
from shop_lab.skew.report import Report, markdown_of, print_report

BOTH = Expected(old_to_new=True, new_to_old=True)
ONE_WAY = Expected(old_to_new=True, new_to_old=False)
GREEN = Cell("orders", Question.BESIDE_OLD, 90, Crossings(7, 9), BOTH)
VACUOUS = Cell("orders", Question.BESIDE_NEW, 90, Crossings(7, 0), BOTH)
RED = Cell("analytics", Question.BESIDE_OLD, 90, Crossings(5, 0), ONE_WAY, ["lost: order <b> & more"])


def report(*cells: Cell) -> Report:
    names = {"orders": ("0.1.0", "clone"), "analytics": ("0.3.0", "0.4.0")}
    return Report(cells, names, datetime(2026, 1, 1, tzinfo=UTC), 123.4)


def printed(told: Report) -> str:
    console = Console(record=True, width=220)
    print_report(told, console)
    return console.export_text()


def test_only_green_cells_make_a_report_hold() -> None:
    assert report(GREEN).holds
    assert not report(GREEN, VACUOUS).holds
    assert not report(GREEN, RED).holds
    assert not report().holds


def test_the_sentence_counts_the_cells() -> None:
    assert report(GREEN).sentence == "Proved: all 1 cells are green, with 0 failed, lost or doubled orders."
    assert report(GREEN, VACUOUS, RED).sentence == "Not proved: 1 red, 1 vacuous, 1 green."
    assert report().sentence == "Not proved: no cell was tried."


def test_the_table_has_the_counts_the_releases_and_the_reasons() -> None:
    told = printed(report(GREEN, VACUOUS, RED))
    for part in (
        "0.1.0",
        "clone",
        "others at N−1",
        "green",
        "vacuous",
        "red",
        "lost: order <b> & more",
        "Not proved",
    ):
        assert part in told


def test_the_json_has_every_cell() -> None:
    facts = report(GREEN, RED).as_json()
    assert facts["holds"] is False
    assert [cell["ruling"] for cell in facts["cells"]] == ["green", "red"]
    assert facts["cells"][1]["messages"] == {"old_to_new": 5, "new_to_old": None}
    assert facts["releases"]["analytics"] == {"old": "0.3.0", "new": "0.4.0"}


def test_the_markdown_has_a_row_for_each_cell_and_the_sentence() -> None:
    lines = markdown_of(report(GREEN, RED).as_json()).splitlines()
    assert lines[2] == "| orders | 0.1.0 | clone | others at N−1 | 90 | 7 | 9 | green |"
    assert lines[3].endswith("| 5 | – | red |")
    assert lines[-1] == "Not proved: 1 red, 1 green."


class Rows(HTMLParser):
    """Collects the cells of each row of a table, as text."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        elif tag == "td":
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def test_the_page_is_one_file_with_a_row_for_each_cell(tmp_path: Path) -> None:
    file = tmp_path / "new" / "skew.html"
    write_page(report(GREEN, RED), file)
    page = file.read_text()
    assert page == page_of(report(GREEN, RED))
    rows = Rows()
    rows.feed(page)
    assert rows.links == []
    assert rows.rows[1] == ["orders", "0.1.0", "clone", "others at N−1", "90", "7", "9", "green", ""]
    assert rows.rows[2][5:] == ["5", "–", "red", "lost: order <b> & more"]
    assert "prefers-color-scheme: dark" in page
