"""`shop compare`: the same services in each shape, side by side."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from shop.commands.bench import end
from shop.steps import Steps
from shop_lab.compare.figures import FIGURES
from shop_lab.compare.page import page_of
from shop_lab.compare.plan import FULL, QUICK, SHAPES, Plan, planned
from shop_lab.compare.report import Report
from shop_lab.compare.run import Comparison
from shop_lab.compare.table import print_report
from shop_stack.connect import TargetKind, chosen_kind
from shop_stack.errors import UserError
from shop_stack.paths import shop_folder


def compare(
    shapes: Annotated[
        list[str] | None,
        typer.Option("--shape", help=f"Only this shape; repeatable. One of {', '.join(SHAPES)}."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"Measure only this figure; repeatable. One of {', '.join(FIGURES)}."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A short run with rough numbers.")] = False,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="How many rounds, in which the shapes run in turn.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for compare.json and compare.html; default .shop/report."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compare the shop as a monolith, in pairs, as five services, orchestrated, and
    as a monolith in which an order is one transaction.

    Each shape gets a stack of its own, and one runs at a time, in turn, round by
    round. The oracle judges each run; a run that it refuses does not count. Three
    figures are measured once at the end: a named change is tested and deployed;
    for blast and partition a service gets a fault, or loses Kafka or its
    database, and orders arrive. All of it takes about an hour, --quick a quarter.

    The values are medians, with the lowest and the highest round. The exit code
    is 1 if a run does not count; the reason is printed. Nothing else should use
    the machine meanwhile. A running shop is not disturbed.

    Examples:

        shop compare

        shop compare --quick --only start --only rest

        shop compare --shape monolith --shape services --rounds 5 --json"""
    if chosen_kind() is not TargetKind.EMBEDDED:
        raise UserError("`shop compare` starts shops of its own on this machine: leave out --target.")
    plan = planned(shapes or [], only or [], QUICK if quick else FULL, rounds)
    signal.signal(signal.SIGTERM, end)
    report = asyncio.run(run(plan, Console(stderr=True)))
    tell(report.as_json(), out or shop_folder() / "report", json_=json_)
    raise typer.Exit(0 if report.holds else 1)


async def run(plan: Plan, console: Console) -> Report:
    """Carry a plan out, and show its progress."""
    with Steps(console) as progress:
        task = progress.add_task("starting", total=plan.steps)

        def log(step: str) -> None:
            progress.update(task, description=step)

        return await Comparison(plan, log, lambda: progress.advance(task)).carry_out()


def tell(report: dict[str, Any], folder: Path, *, json_: bool) -> None:
    """Write a report into a folder, and print it."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=2)
    (folder / "compare.json").write_text(f"{text}\n")
    (folder / "compare.html").write_text(page_of(report), encoding="utf-8")
    if json_:
        typer.echo(text)
    else:
        print_report(report, Console())
        typer.echo(f"More in {folder / 'compare.html'} and {folder / 'compare.json'}.")
