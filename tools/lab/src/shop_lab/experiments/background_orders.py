"""Orders of every outcome for as long as an experiment lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count

from shop_load.closed_loop import Customers, Placed, serve_customers
from shop_load.plans import plan_run, run_name
from shop_observe.history import History
from shop_stack import embedded
from shop_stack.parts import Stack
from shop_stack.target import Target

ROUND = 60
"""Orders after which customers look whether the experiment has ended."""
_seeds = count(1)


@asynccontextmanager
async def running(target: Target, rate: float, urls: Sequence[str] = ()) -> AsyncIterator[list[Placed]]:
    """Orders of every outcome, `rate` a second in all, until the context ends; the list grows with each.

    `urls` are the addresses of the replicas of orders, each with customers of its own. They wait for a replica that
    is away.
    """
    placed: list[Placed] = []
    closing = asyncio.Event()
    addresses = urls or [target.service_urls["orders"]]
    async with asyncio.TaskGroup() as group:
        for url in addresses:
            there = replace(target, service_urls={**target.service_urls, "orders": url})
            group.create_task(_come(there, rate / len(addresses), placed, closing))
        try:
            yield placed
        finally:
            closing.set()


async def _come(target: Target, rate: float, placed: list[Placed], closing: asyncio.Event) -> None:
    while not closing.is_set():
        await serve(target, ROUND, Customers(concurrency=16, rate=rate, on_placed=placed.append))


async def serve(target: Target, orders: int, customers: Customers) -> None:
    """Some orders of every outcome; returns when they are placed."""
    seed = next(_seeds)
    run = plan_run(run_name(seed), orders, seed)
    with History(target.state / "history", run.name) as history:
        await serve_customers(target, run, history, customers)


async def restart_tracing(stack: Stack, target: Target) -> None:
    """Restart a service after the crashes and place some more orders, whose traces the oracle judges.

    A process that is killed loses the spans that it had not sent. So the oracle does not require complete traces of
    orders from before the last start of a service.
    """
    await embedded.restart(stack, "notifications")
    await serve(target, ROUND, Customers())
