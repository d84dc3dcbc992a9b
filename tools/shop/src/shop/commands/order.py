"""The command `shop order`."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import typer

from shop_load.closed_loop import Customers, Placed, serve_customers
from shop_load.plans import Scenario, plan_run, run_name
from shop_observe.history import History
from shop_stack.connect import connect
from shop_stack.target import Target


def order(
    outcome: Annotated[
        Scenario, typer.Option(help="How the order is to end.", case_sensitive=False)
    ] = Scenario.CONFIRMED,
) -> None:
    """Place one order and print how to follow it.

    Its id is printed on a line of its own, so that other commands can use it.

    Examples:

        shop order

        shop order --outcome timed-out      its deadline passes"""
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
