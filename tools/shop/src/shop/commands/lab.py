"""`shop lab`: the labs of docs/labs, and whether you have done them."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from shop.labs import clone, progress, shipping
from shop.labs.checks import looks_at_events
from shop.labs.evidence import Evidence, Start, clock, orders_since
from shop.labs.judge import missing, run_shop
from shop.labs.pages import Lab, find, labs
from shop.labs.parts import parts_of
from shop.labs.progress import Progress
from shop.labs.reports import read_reports
from shop.labs.shipping import Shipping
from shop.shapes import require_shape
from shop_contracts.releases import git
from shop_stack.connect import VARIABLE, TargetKind, connect
from shop_stack.errors import UserError
from shop_stack.paths import repository

Name = Annotated[str, typer.Argument(help="The name of the lab, such as kill-a-service.", metavar="NAME")]

app = typer.Typer(help="Labs: list them, start one, check whether it is done.", no_args_is_help=True)


@app.callback()
def lab() -> None:
    """Labs: list them, start one, check whether it is done."""


@app.command("list")
def list_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the labs with their goals, and those that you have started or passed."""
    found = [(lab, progress.load(lab)) for lab in labs(repository())]
    if as_json:
        typer.echo(json.dumps([facts(lab, done) for lab, done in found], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("lab", "minutes", "needs", "goal", "state"):
        table.add_column(heading, overflow="fold")
    for lab, done in found:
        table.add_row(lab.name, str(lab.minutes), ", ".join(lab.needs), lab.goal, state(done))
    Console(highlight=False).print(table)


def state(done: Progress | None) -> str:
    """How far a lab is, in one word."""
    if done is None:
        return ""
    return "passed" if done.passed else "started"


def facts(lab: Lab, done: Progress | None) -> dict[str, Any]:
    """A lab for programs."""
    return {
        "name": lab.name,
        "title": lab.title,
        "goal": lab.goal,
        "minutes": lab.minutes,
        "needs": list(lab.needs),
        "check": list(lab.check),
        "page": lab.page,
        "started": done is not None,
        "passed": (done.passed or None) if done else None,
    }


@app.command("start")
def start_command(
    name: Name,
    here: Annotated[
        bool, typer.Option("--here", help="Remember the shop of this clone, as it is now.", hidden=True)
    ] = False,
) -> None:
    """Begin a lab, and print which page to follow.

    It remembers the shop as it is now, because the check compares it with the shop
    after the steps. Starting again begins anew.

    A lab that needs a clone gets one: .shop/lab, with a shop and data of its own.
    Your own files, branches and data stay as they are. A minute; the first time
    three, and your own shop must be down, because both use the same ports.

    Example:

        shop lab start kill-a-service"""
    root = repository()
    found = find(root, name)
    if found.has_clone and not here:
        clone.remember(found, clone.prepare(found, root))
        return
    progress.save(found, Progress(asyncio.run(look(found))))
    console = Console(highlight=False)
    console.print(f"{found.title} ({found.minutes} minutes): {found.goal}.", soft_wrap=True, markup=False)
    if found.has_clone:
        console.print(f"The clone of this lab: cd {root}", soft_wrap=True, markup=False)
    console.print(f"Follow {found.page}, then: shop lab check {found.name}", soft_wrap=True, markup=False)


@app.command("check")
def check_command(name: Name) -> None:
    """Say whether a lab is done, or in one sentence what is missing.

    Exit code 0 if it is done, 1 if something is missing.

    Example:

        shop lab check kill-a-service"""
    root = repository()
    found = find(root, name)
    done = progress.load(found)
    if done is None and found.has_clone and not clone.is_one(root) and clone.place(root).is_dir():
        raise UserError(
            f"The lab {found.name} is done in its clone: `cd {clone.place(root)}`, and check it there."
        )
    if done is None:
        raise UserError(f"The lab {found.name} was not started: `shop lab start {found.name}`.")
    evidence = asyncio.run(collect(found, done.start))
    if fault := missing(found, evidence, run_shop(found)):
        raise UserError(f"{found.name} is not done: {fault}")
    progress.save_passed(found, done)
    typer.echo(f"{found.name} is done.")


async def look(lab: Lab) -> Start:
    """The shop of a lab as it is now. Raises TargetMissing if it does not run, UserError if it has another shape."""
    use_shop_of(lab)
    with connect() as target:
        commit = git.head(repository()) if lab.has_clone else ""
        return Start(await clock(target), parts_of(lab.target), commit)


async def collect(lab: Lab, start: Start) -> Evidence:
    """Everything that the check of a lab may look at. Raises as `look` does."""
    use_shop_of(lab)
    with connect() as target:
        shipped = Shipping()
        if lab.has_clone or looks_at_events(lab.check):
            shipped = await shipping.collect(repository(), start.commit, start.at, target)
        placed = await orders_since(target, start.at)
        return Evidence(start, parts_of(lab.target), placed, shipped, read_reports(start.at))


def use_shop_of(lab: Lab) -> None:
    """Have this program use the shop of a lab. Raises UserError if that of this machine has another shape."""
    os.environ[VARIABLE] = lab.target
    if lab.target is TargetKind.EMBEDDED:
        require_shape(f"The lab {lab.name}", lab.shape)
