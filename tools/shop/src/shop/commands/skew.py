"""`shop skew`: two releases of each service together, under load, on a stack of its own."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import TaskProgressColumn

from shop.commands.bench import end
from shop.steps import Steps
from shop_lab.skew.cells import Cell
from shop_lab.skew.page import write_page
from shop_lab.skew.pairs import pairs
from shop_lab.skew.report import Report, markdown_of, print_report
from shop_lab.skew.run import count_cells, prove
from shop_stack.deployments import CLONE
from shop_stack.errors import UserError
from shop_stack.paths import repository, shop_folder
from shop_stack.ports import SERVICES

Services = Annotated[
    list[str] | None,
    typer.Argument(help="The services to prove. All, if none is given.", metavar="[SERVICE]..."),
]
Version = Annotated[
    str, typer.Option(help="N of the services that are given: a release. Otherwise N is the clone.")
]
Out = Annotated[Path | None, typer.Option(help="The folder of the report. Otherwise .shop/report.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


def skew(
    services: Services = None, version: Version = CLONE, out: Out = None, as_json: AsJson = False
) -> None:
    """Run the last release and the new code of each service together, under load.

    N is the code of this clone, N−1 the last release. On a stack of its own,
    while orders of every outcome arrive, each service goes N−1 → N → N−1: once
    while all others run N−1, once while all others run N. Then the code of N−1
    runs on the tables of N. A cell is green if no order failed, was lost or
    doubled, and no message became a dead letter. It is vacuous, which is not
    green, if no message crossed from N−1 to N or from N to N−1.

    The exit code is 0 if every cell is green. One service takes up to 5
    minutes, all of them up to 20. The report is skew.html, skew.md and
    skew.json. With --version, N is that release of each service that is given,
    or of all services; N−1 is the release before it.

    Examples:

        shop skew

        shop skew orders --json

        shop skew --version 0.2.0"""
    chosen = _chosen(services or [])
    signal.signal(signal.SIGTERM, end)
    report = asyncio.run(_proved(chosen, {} if version == CLONE else dict.fromkeys(chosen, version)))
    _tell(report, out or shop_folder() / "report", as_json)
    raise typer.Exit(0 if report.holds else 1)


def _tell(report: Report, folder: Path, as_json: bool) -> None:
    """Write the report into a folder, and print it."""
    write_page(report, folder / "skew.html")
    (folder / "skew.md").write_text(markdown_of(report.as_json()))
    (folder / "skew.json").write_text(json.dumps(report.as_json(), indent=2) + "\n")
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        print_report(report, Console())
        typer.echo(f"More in {folder / 'skew.html'} and {folder / 'skew.json'}.")


def _chosen(services: Sequence[str]) -> tuple[str, ...]:
    """The services to prove, in their order. Raises UserError."""
    for name in services:
        if name not in SERVICES:
            raise UserError(f"There is no service {name!r}: it is one of {', '.join(SERVICES)}.")
    return tuple(name for name in SERVICES if name in services) or SERVICES


async def _proved(services: tuple[str, ...], versions: dict[str, str]) -> Report:
    both = await pairs(repository(), SERVICES, versions)
    with Steps(Console(stderr=True), TaskProgressColumn()) as progress:
        task = progress.add_task("starting", total=count_cells(services))

        def on_cell(cell: Cell) -> None:
            progress.update(task, description=f"{cell.service}, {cell.question}: {cell.ruling}")
            progress.advance(task)

        return await prove(both, services, lambda what: progress.update(task, description=what), on_cell)
