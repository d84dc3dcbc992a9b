"""Orders of every outcome while an experiment lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count

from shop_load.client import PATIENCE
from shop_load.closed_loop import Customers, Placed, serve_customers
from shop_load.plans import plan_run, run_name
from shop_observe.history import History
from shop_stack import embedded
from shop_stack.stack import Stack
from shop_stack.target import Target

ROUND = 60
"""The number of orders after which the customers check whether the experiment has ended."""
_seeds = count(1)


@asynccontextmanager
async def running(
    target: Target, rate: float, urls: Sequence[str] = (), patience: float = PATIENCE
) -> AsyncIterator[list[Placed]]:
    """Orders of every outcome, `rate` per second in all, until the context ends. Each is appended to the list.

    `urls` are the addresses of the replicas of orders. Each has customers of its own, who wait while it is unavailable,
    for at most `patience` seconds. Then LoadFailed ends the context.
    """
    placed: list[Placed] = []
    closing = asyncio.Event()
    addresses = urls or [target.service_urls["orders"]]
    async with asyncio.TaskGroup() as group:
        for url in addresses:
            there = replace(target, service_urls={**target.service_urls, "orders": url})
            customers = Customers(
                concurrency=16, rate=rate / len(addresses), on_placed=placed.append, patience=patience
            )
            group.create_task(_come(there, customers, closing))
        try:
            yield placed
        finally:
            closing.set()


async def _come(target: Target, customers: Customers, closing: asyncio.Event) -> None:
    while not closing.is_set():
        await serve(target, ROUND, customers)


async def serve(target: Target, orders: int, customers: Customers) -> None:
    """Place `orders` orders of every outcome. Returns when all are placed. Raises LoadFailed."""
    seed = next(_seeds)
    run = plan_run(run_name(seed), orders, seed)
    with History(target.state / "history", run.name) as history:
        await serve_customers(target, run, history, customers)


async def restart_tracing(stack: Stack, target: Target) -> None:
    """Restart a service after the crashes, and place some more orders, so that the oracle has traces to judge.

    A killed process loses its unsent spans. So the oracle requires complete traces only of orders that were placed
    after the last start of a service.
    """
    await embedded.restart(stack, "notifications")
    await serve(target, ROUND, Customers())
