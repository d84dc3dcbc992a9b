"""The command `shop demo`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from shop.demo import Demonstration, as_json, demonstrate, print_demonstration
from shop.picture import save_picture
from shop.steps import Steps
from shop_load.catalogue import ensure_catalogue
from shop_stack import embedded
from shop_stack.connect import TargetKind, chosen_kind, connect
from shop_stack.target import Target
from shop_stack.target import embedded as target_of


def demo(
    orders: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many orders to place.")] = 300,
    concurrency: Annotated[
        int, typer.Option(min=1, max=1_000, help="How many customers order at the same time.")
    ] = 16,
    seed: Annotated[int, typer.Option(help="The same seed gives the same orders.")] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the shop running afterwards.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    picture: Annotated[Path | None, typer.Option(help="Also write the output to this file, as SVG.")] = None,
) -> None:
    """Show the whole shop: orders of every outcome, the events of one order, the verdict.

    If a shop is running, the demo uses it and leaves it running. Otherwise it
    starts one and stops it at the end. It shows one order that was compensated:
    its events, and its trace as a tree. The exit code is that of `shop check`.

    Examples:

        shop demo

        shop demo --orders 2000      and, at the same time, in another terminal:

        shop restart payments --kill

        shop demo --seed 7 --json

        shop demo --picture docs/pictures/demo.svg"""
    console = Console(stderr=json_)
    demonstration = partial(demonstrate, orders=orders, concurrency=concurrency, seed=seed)
    shown = asyncio.run(run(demonstration, keep, json_, picture, console))
    raise typer.Exit(0 if shown.verdict.holds else 1)


async def run(
    demonstration: Callable[..., Awaitable[Demonstration]],
    keep: bool,
    json_: bool,
    picture: Path | None,
    console: Console,
) -> Demonstration:
    async with running_shop(keep, console) as target:
        with Steps(console) as progress:
            shown = await demonstration(target, progress=progress)
        if json_:
            typer.echo(json.dumps(as_json(shown), indent=2))
        else:
            print_demonstration(shown, target, console)
        if picture is not None:
            save_picture(picture, "make demo", lambda page: print_demonstration(shown, target, page))
        return shown


@asynccontextmanager
async def running_shop(keep: bool, console: Console) -> AsyncIterator[Target]:
    """A running shop for as long as the context lasts: the one that runs already, or else a new one."""
    if chosen_kind() is not TargetKind.EMBEDDED:
        with connect() as target:
            yield target
        return
    stack = embedded.stack()
    running = [stack.daemon(name).process() is not None for name in stack.parts]
    if all(running):
        # Without the lock of a start, so that `shop deploy` may begin at the same moment.
        target = target_of(stack.state)
        if keep:
            await ensure_catalogue(target)
        yield target
        return
    ran_before = any(running)
    began = time.monotonic()
    with console.status("starting the shop") as status:
        target = await embedded.up(stack, lambda part, what: status.update(f"{part}: {what}"))
    try:
        if not ran_before:
            took = time.monotonic() - began
            console.print(f"The shop is up after {took:.1f} s.", style="dim", highlight=False)
        if keep:
            await ensure_catalogue(target)
        yield target
    finally:
        if not (ran_before or keep):
            with console.status("stopping the shop"):
                await embedded.down(stack)
