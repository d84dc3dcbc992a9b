"""The report on a terminal, and as a table in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shop_lab.values import number

NONE = "–"
"""In the place of a value that no run gave that counts."""


def cell(row: Mapping[str, Any], shape: str) -> str:
    """The median of a shape, with the lowest and the highest value if they differ from it."""
    if shape not in row["shapes"]:
        return NONE
    found = row["shapes"][shape]
    middle, low, high = (number(found[name]) for name in ("median", "lowest", "highest"))
    spread = "" if low == high else f" ({low}–{high})"
    return f"{middle}{spread}"


def title(row: Mapping[str, Any]) -> str:
    """The title of a row with its unit."""
    return f"{row['title']}, {row['unit']}" if row["unit"] else str(row["title"])


def circumstances(report: Mapping[str, Any]) -> str:
    """The machine, its load, and the amount of work, in one sentence."""
    machine, effort = report["machine"], report["effort"]
    loads = [run["load_before"] for run in report["runs"]]
    return (
        f"{machine['cores']} cores; load {machine['load_before']} before the comparison, "
        f"{min(loads, default=0)} to {max(loads, default=0)} before its runs; {effort['rounds']} round(s) in turn, "
        f"{effort['orders']} orders at once, {effort['rate_seconds']} s at each rate; medians, in brackets the lowest "
        "and the highest round."
    )


def markdown_of(report: Mapping[str, Any]) -> str:
    """The values as a table in Markdown, for a page of the documents."""
    shapes = list(report["shapes"])
    lines = [f"| | {' | '.join(shapes)} |", f"|---|{'---:|' * len(shapes)}"]
    lines += [
        f"| {title(row)} | {' | '.join(cell(row, shape) for shape in shapes)} |"
        for row in report["values"].values()
    ]
    return "\n".join([*lines, ""])


def print_report(report: Mapping[str, Any], console: Console) -> None:
    """Print one row for each value, then the runs that do not count."""
    table = Table(title="The same services in each shape", title_justify="left")
    table.add_column("")
    for shape in report["shapes"]:
        table.add_column(shape, justify="right")
    for row in report["values"].values():
        table.add_row(title(row), *(cell(row, shape) for shape in report["shapes"]))
    console.print(table)
    for sentence in report["missing"]:
        console.print(f"[red]{escape(sentence)}[/]", highlight=False)
    console.print(circumstances(report), style="dim", highlight=False)
