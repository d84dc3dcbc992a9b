"""`shop saga diff`: one order under the choreographed and the orchestrated saga, side by side."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Annotated

import typer
from rich.console import Console

from shop.commands.bench import end
from shop.steps import Steps
from shop_lab.saga_diff.reading import Saga
from shop_lab.saga_diff.run import both_sagas
from shop_lab.saga_diff.table import print_sagas
from shop_stack.connect import TargetKind, chosen_kind
from shop_stack.errors import UserError
from shop_stack.shapes import FIVE, Shape

app = typer.Typer(no_args_is_help=True, help="The two sagas of an order, side by side.")


@app.callback()
def saga() -> None:
    """The two sagas of an order, side by side."""


@app.command()
def diff(
    as_: Annotated[
        str,
        typer.Option("--as", metavar="SHAPE", help="The grouping of both: monolith, services, or groups."),
    ] = FIVE,
    orders: Annotated[int, typer.Option(min=1, help="Orders that are measured.")] = 20,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Show one order both ways: messages, hops, times, which service reads what, and where a change is made.

    A shop of each saga is started, one after the other, with data of its own. A
    running shop is not disturbed. The orders are confirmed ones. The oracle judges
    both shops. It takes about two minutes.

    A hop is a message that waits for the one before it. The times are medians, with
    the lowest and the highest. An arrow marks a command.

    Examples:

        shop saga diff

        shop saga diff --as monolith --json"""
    if chosen_kind() is not TargetKind.EMBEDDED:
        raise UserError("`shop saga diff` starts shops of its own on this machine: leave out --target.")
    shape = Shape.parse(as_)
    signal.signal(signal.SIGTERM, end)
    sagas = asyncio.run(run(shape, orders, Console(stderr=True)))
    if json_:
        found = {name: one.as_json() for name, one in sagas.items()}
        typer.echo(json.dumps({"shape": shape.text, "orders": orders, "sagas": found}, indent=2))
    else:
        print_sagas(sagas, Console())


async def run(shape: Shape, orders: int, console: Console) -> dict[str, Saga]:
    """Run both, and show the progress."""
    with Steps(console) as progress:
        task = progress.add_task("starting", total=None)
        return await both_sagas(shape, orders, lambda step: progress.update(task, description=step))
