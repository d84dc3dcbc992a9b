"""`shop order`. Register with `app.command()(order.order)`."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import typer

from shop_load.closed_loop import Customers, Placed, Scenario, plan_run, run_name, serve_customers
from shop_observe.history import History
from shop_stack.connect import connect
from shop_stack.target import Target


def order(
    outcome: Annotated[
        Scenario, typer.Option(help="What is to become of it.", case_sensitive=False)
    ] = Scenario.CONFIRMED,
) -> None:
    """Place one order and say how to follow it.

    Its id is printed on a line of its own, for other commands to take up.

    Examples:

        shop order

        shop order --outcome timed-out      its deadline passes

        shop watch $(shop order --outcome declined | head -1)
    """
    with connect() as target:
        placed = asyncio.run(place_one(target, outcome))
    typer.echo(placed.order_id)
    typer.echo(f"shop watch {placed.order_id}    what happens to it", err=True)
    typer.echo(f"shop trace {placed.order_id}    its trace, when it has ended", err=True)


async def place_one(target: Target, outcome: Scenario) -> Placed:
    run = plan_run(run_name(0), 1, seed=time.time_ns(), only=outcome)
    with History(target.state / "history", run.name) as history:
        (placed,) = await serve_customers(target, run, history, Customers(concurrency=1, patience=10.0))
    return placed
