"""One hop from service to service, in each way: a call in the process, a request over HTTP, and an event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from datetime import datetime
from statistics import median

import aiohttp

from shop_lab.testbed import Testbed

CALLER, CALLED = "orders", "inventory"
CALLS = 20_000
REQUESTS = 200


async def hops(testbed: Testbed, orders: Collection[str]) -> dict[str, float]:
    """Key → time of one hop from orders to inventory. `orders` are the ids of orders that have ended.

    Between services that do not share a process there is no call.
    """
    found = {"hop_http_ms": await request(testbed), "hop_event_ms": await event(testbed, orders)}
    if testbed.stack.database_of(CALLER) == testbed.stack.database_of(CALLED):
        found["hop_call_ms"] = await call()
    return found


async def call() -> float:
    """Milliseconds of an awaited call of a function that does nothing."""

    async def called() -> None:
        await asyncio.sleep(0)

    began = time.perf_counter()
    for _ in range(CALLS):
        await called()
    return 1000 * (time.perf_counter() - began) / CALLS


async def request(testbed: Testbed) -> float:
    """Milliseconds of a request that inventory answers without its database, on a connection that is kept: median."""
    url = f"{testbed.target.management_urls[CALLED]}/version"
    times = []
    async with aiohttp.ClientSession() as client:
        for _ in range(REQUESTS):
            began = time.perf_counter()
            async with client.get(url) as answer:
                answer.raise_for_status()
                await answer.read()
            times.append(time.perf_counter() - began)
    return 1000 * median(times)


async def event(testbed: Testbed, orders: Collection[str]) -> float:
    """Milliseconds from the handler that places an order to the handler that reserves its stock: median.

    It includes the commit, the relay, the transport, and the start of the reader's transaction.
    """
    placed = await _times(testbed, CALLER, "SELECT id, placed_at FROM orders WHERE id", orders)
    decided = await _times(
        testbed, CALLED, "SELECT order_id, decided_at FROM reservations WHERE order_id", orders
    )
    return 1000 * median((decided[order] - at).total_seconds() for order, at in placed.items())


async def _times(testbed: Testbed, service: str, query: str, orders: Collection[str]) -> dict[str, datetime]:
    async with testbed.database(service) as database:
        rows = await database.fetch(f"{query} = ANY($1::uuid[])", list(orders))
    return {str(order): at for order, at in rows}
