"""The results of experiments: a table for people, JSON and JUnit for machines, a page for both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shop_chaos.verdict import Result, number_of

COLOURS: Mapping[str, str] = {
    "holds": "green",
    "violated": "red",
    "vacuous": "yellow",
    "not run": "dim",
}
SHOWN = 5
"""How many reasons of one experiment the table shows."""
MOST_TOLD = 400
"""How many characters of a reason the table shows."""


def print_results(results: Sequence[Result], console: Console) -> None:
    """Print one row per experiment, then the reasons of those that are not green."""
    table = Table(title="Chaos", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("experiment", "verdict", "seen to bite", "looks", "orders", "at rest after", "took"):
        table.add_column(column, overflow="fold")
    for result in results:
        table.add_row(*_cells(result))
    console.print(table)
    for result in results:
        for number in result.numbers:
            console.print(f"{result.experiment}: {number_of(number)}", highlight=False)
        if result.configuration:
            console.print(f"{result.experiment}: {configured(result.configuration)}", highlight=False)
        if result.is_green:
            continue
        for reason in result.reasons[:SHOWN]:
            console.print(
                Text(f"{result.experiment}: ", style="red").append(reason[:MOST_TOLD], style="default")
            )
        if (hidden := len(result.reasons) - SHOWN) > 0:
            console.print(f"  … and {hidden} more of {result.experiment} (all with --json)", style="dim")


def _cells(result: Result) -> list[str | Text]:
    ruling = Text(said(result), style=COLOURS[result.ruling] if result.is_green else "bold red")
    rest = "" if result.recovery_seconds is None else f"{result.recovery_seconds:g} s"
    looks, took = str(result.looks.get("all", "")), f"{result.seconds:g} s" if result.seconds else ""
    return [result.experiment, ruling, seen(result), looks, str(result.orders or ""), rest, took]


def said(result: Result) -> str:
    """The verdict, and the expected one if it is a planted experiment."""
    if result.expected == "holds":
        return result.ruling
    return f"{result.ruling}, as planted" if result.is_green else f"{result.ruling}, not {result.expected}"


def seen(result: Result) -> str:
    """The counts that show that the faults had an effect."""
    return ", ".join(f"{must.value} {must.name}" for must in result.musts)


def configured(configuration: Mapping[str, Any]) -> str:
    """The values of a configuration, such as "kills 1000, seed 1"."""
    return ", ".join(f"{name} {value}" for name, value in configuration.items())


def write(results: Sequence[Result], folder: Path) -> list[Path]:
    """Write chaos.json, chaos.xml (JUnit) and chaos.html into a folder. Returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "chaos.json": json.dumps([each.as_json() for each in results], indent=2) + "\n",
        "chaos.xml": junit_of(results),
        "chaos.html": html_of(results),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in texts]


def junit_of(results: Sequence[Result]) -> str:
    """The results as JUnit XML: a verdict that is not the expected one is a failure, `not run` is skipped."""
    suite = ElementTree.Element(
        "testsuite",
        name="chaos",
        tests=str(len(results)),
        failures=str(sum(not each.is_green and each.ruling != "not run" for each in results)),
        skipped=str(sum(each.ruling == "not run" for each in results)),
    )
    for each in results:
        case = ElementTree.SubElement(suite, "testcase", name=each.experiment, time=f"{each.seconds:g}")
        if each.configuration:
            properties = ElementTree.SubElement(case, "properties")
            for name, value in each.configuration.items():
                ElementTree.SubElement(properties, "property", name=name, value=str(value))
        if each.ruling == "not run":
            ElementTree.SubElement(case, "skipped", message="; ".join(each.reasons))
        elif not each.is_green:
            failure = ElementTree.SubElement(case, "failure", message=said(each))
            failure.text = "\n".join(each.reasons)
    return ElementTree.tostring(suite, encoding="unicode") + "\n"


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Chaos</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem; max-width: 75rem }}
table {{ border-collapse: collapse }} td, th {{ padding: .3rem .8rem; text-align: left; border-bottom: 1px solid #ccc }}
.green {{ color: #17742f }} .red {{ color: #b3261e; font-weight: bold }} .skipped {{ color: #666 }}
</style></head><body><h1>Chaos</h1>
<table><tr><th>Experiment</th><th>Must hold</th><th>Verdict</th><th>Seen to bite</th><th>Looks</th><th>Orders</th>
<th>At rest after</th><th>Reasons</th></tr>
{rows}
</table></body></html>
"""


def html_of(results: Sequence[Result]) -> str:
    """The results as one page without other files."""
    return PAGE.format(rows="\n".join(_row(each) for each in results))


def _row(result: Result) -> str:
    state = "skipped" if result.ruling == "not run" else "green" if result.is_green else "red"
    rest = "" if result.recovery_seconds is None else f"{result.recovery_seconds:g} s"
    reasons = "; ".join(result.reasons[:SHOWN])
    title = f"{result.title} ({configured(result.configuration)})" if result.configuration else result.title
    cells = [result.experiment, title, said(result), seen(result)]
    cells += [str(result.looks.get("all", "")), str(result.orders or ""), rest, reasons]
    columns = "".join(
        f'<td class="{state}">{escape(cell)}</td>' if number == 2 else f"<td>{escape(cell)}</td>"
        for number, cell in enumerate(cells)
    )
    return f"<tr>{columns}</tr>"
