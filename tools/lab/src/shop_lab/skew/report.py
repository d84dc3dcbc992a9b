"""The outcome of a run: one row for each cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shop_lab.skew.cells import Cell

COLOURS: Mapping[str, str] = {"green": "green", "red": "red", "vacuous": "yellow"}
NO_WAY = "–"
"""In the place of a count: no message can cross in this direction, because the service publishes or reads none."""


@dataclass(frozen=True, slots=True)
class Report:
    """All cells of a run."""

    cells: Sequence[Cell]
    releases: Mapping[str, tuple[str, str]]
    """Service → the names of N−1 and N."""
    began: datetime
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether there are cells, and all of them are green."""
        return bool(self.cells) and all(cell.ruling == "green" for cell in self.cells)

    @property
    def sentence(self) -> str:
        """The outcome in one sentence."""
        counts = Counter(cell.ruling for cell in self.cells)
        if self.holds:
            return f"Proved: all {len(self.cells)} cells are green, with 0 failed, lost or doubled orders."
        told = ", ".join(
            f"{counts[ruling]} {ruling}" for ruling in ("red", "vacuous", "green") if counts[ruling]
        )
        return f"Not proved: {told or 'no cell was tried'}."

    def as_json(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "holds": self.holds,
            "sentence": self.sentence,
            "began": self.began.isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 1),
            "releases": {name: {"old": old, "new": new} for name, (old, new) in self.releases.items()},
            "cells": [cell.as_json() for cell in self.cells],
        }


def counts_of(cell: Cell) -> tuple[str, str]:
    """The counts of both directions as text, N−1 → N first."""
    return (
        str(cell.crossings.old_to_new) if cell.expected.old_to_new else NO_WAY,
        str(cell.crossings.new_to_old) if cell.expected.new_to_old else NO_WAY,
    )


def markdown_of(report: Mapping[str, Any]) -> str:
    """The JSON of a report as a table in Markdown, for a page of the documents."""
    lines = [
        "| Service | N−1 | N | Question | Orders | N−1 → N | N → N−1 | Verdict |",
        "|---|---|---|---|---:|---:|---:|---|",
    ]
    for cell in report["cells"]:
        releases = report["releases"][cell["service"]]
        counts = (NO_WAY if count is None else str(count) for count in cell["messages"].values())
        texts = (
            cell["service"],
            releases["old"],
            releases["new"],
            cell["question"],
            str(cell["orders"]),
            *counts,
        )
        lines.append(f"| {' | '.join([*texts, cell['ruling']])} |")
    return "\n".join([*lines, "", report["sentence"], ""])


def print_report(report: Report, console: Console) -> None:
    """Print one row for each cell, then one sentence."""
    table = Table(title="Two releases together", title_justify="left")
    for column in ("service", "N−1", "N", "question", "orders", "N−1 → N", "N → N−1", "verdict"):
        table.add_column(column, justify="right" if column in ("orders", "N−1 → N", "N → N−1") else "left")
    table.add_column("reason", overflow="fold")
    for cell in report.cells:
        old, new = report.releases[cell.service]
        colour = COLOURS[cell.ruling]
        table.add_row(
            cell.service,
            old,
            new,
            cell.question,
            str(cell.orders),
            *counts_of(cell),
            f"[{colour}]{cell.ruling}[/]",
            escape(cell.reason),
        )
    console.print(table)
    console.print(report.sentence)
