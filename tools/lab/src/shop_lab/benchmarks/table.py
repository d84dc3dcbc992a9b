"""The report as a table on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shop_lab.benchmarks.plan import Report
from shop_lab.values import coloured, limit


def print_report(report: Report, console: Console) -> None:
    """Print one row per value: the value and its limits; then the figures that are missing."""
    table = Table(title="Shopfloor against its baseline", title_justify="left")
    for column in ("figure", "measured", "must", "aim"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for result in report.results.values():
        for value in result.values:
            table.add_row(value.name, coloured(value), limit(value, value.must), limit(value, value.aim))
    console.print(table)
    for name, why in report.missing.items():
        console.print(f"[red]{name} was not measured[/]: {escape(why)}", highlight=False)
    console.print(_circumstances(report), style="dim", highlight=False)


def _circumstances(report: Report) -> str:
    machine, effort = report.machine, report.effort
    return (
        f"{machine['cores']} cores, load {machine['load_before']} before the run; "
        f"{effort.rounds} round(s) of {effort.orders} orders, medians; × are ratios within this run."
    )
