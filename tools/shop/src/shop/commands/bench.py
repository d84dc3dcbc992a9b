"""The command `shop bench`."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from shop.steps import Steps
from shop_lab.benchmarks import from_outside, plan
from shop_lab.benchmarks.benchmark import FULL, QUICK, Effort
from shop_lab.benchmarks.figure import Figure
from shop_lab.benchmarks.page import write_page
from shop_lab.benchmarks.pictures import write_pictures
from shop_lab.benchmarks.plan import Report
from shop_lab.benchmarks.table import print_report
from shop_lab.testbed import fresh_testbed
from shop_stack import paths
from shop_stack.connect import TargetKind, chosen_kind, connect
from shop_stack.errors import UserError


def bench(
    only: Annotated[list[str] | None, typer.Option(help="Measure only this figure; repeatable.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A short run with rough numbers.")] = False,
    rounds: Annotated[int | None, typer.Option(min=1, help="How many rounds of loaded runs.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for bench.json, bench.html and the charts; default .shop/report."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Measure what an order costs, as ratios to PostgreSQL and Kafka without the services.

    It starts a stack of its own, so a running shop is not disturbed. Nothing
    else should use the machine meanwhile. The exit code is 1 if a figure is
    outside its limit or could not be measured. Then the reason is printed,
    together with all figures that were measured before.

    With --target compose or k8s it measures the running shop from outside:
    orders per second, and how long customers and orders wait. It gives no
    ratios there, because it cannot measure the CPU of those processes.

    Examples:

        shop bench

        shop bench --quick --only cpu --only throughput

        shop --target compose bench --quick"""
    console = Console(stderr=True)
    if chosen_kind() is not TargetKind.EMBEDDED:
        return _from_outside(only, rounds, out, quick=quick, json_=json_)
    effort = QUICK if quick else FULL
    if rounds is not None:
        effort = plan.with_rounds(effort, rounds)
    signal.signal(signal.SIGTERM, end)
    report = asyncio.run(run(plan.chosen(only or []), effort, console))
    _tell(report, out or paths.cache_folder().parent / "report", console, json_=json_)
    raise typer.Exit(0 if report.holds else 1)


def _tell(report: Report, out: Path, console: Console, *, json_: bool) -> None:
    """Write a report into the folder `out`, and print it."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench.json").write_text(json.dumps(report.as_json(), indent=2))
    write_page(report, out / "bench.html")
    write_pictures(report.as_json(), out)
    if json_:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        print_report(report, Console())
        console.print(f"More in {out / 'bench.html'} and {out / 'bench.json'}.", style="dim")


def _from_outside(*not_here: object, quick: bool, json_: bool) -> None:
    if any(not_here):
        raise UserError(
            "--only, --rounds and --out apply to the embedded stack: leave them out, or leave out --target."
        )
    with connect() as target:
        found = asyncio.run(from_outside.measure(target, from_outside.QUICK if quick else from_outside.FULL))
    if json_:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        from_outside.print_seen(found, Console())


def end(*_: object) -> NoReturn:
    """Handle SIGTERM: stop, and still remove the stack. A second SIGTERM must not interrupt the removal."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


async def run(figures: list[Figure], effort: Effort, console: Console) -> Report:
    with Steps(console) as progress:
        task = progress.add_task("starting", total=plan.steps(figures, effort))

        def tell(what: str) -> None:
            progress.update(task, description=what)

        async with fresh_testbed(lambda part, what: tell(f"{part}: {what}")) as testbed:
            return await plan.carry_out(testbed, figures, effort, tell, lambda: progress.advance(task))
