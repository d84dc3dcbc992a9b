"""How fast a service catches up after an outage, compared with the rate at which orders arrive."""

from __future__ import annotations

import asyncio
import time

from shop_lab import trial
from shop_lab.benchmarks.benchmark import SHOP, Benchmark
from shop_lab.benchmarks.figure import Figure, Result
from shop_lab.testbed import Testbed
from shop_lab.values import Value
from shop_stack import embedded

AWAY = "payments"
LOOK_SECONDS = 0.25


async def measure(bench: Benchmark) -> Result:
    """Stop payments, let orders arrive at a quarter of the shop's rate, start payments again; orders go on arriving.

    The backlog is the number of PENDING orders. While the service catches up, new orders end, too. The speed of
    catching up counts all of them.
    """
    await bench.configure(SHOP)
    testbed, rate = bench.testbed, bench.rate(SHOP) / 4
    await embedded.stop(testbed.stack, AWAY)
    began = time.monotonic()
    arriving = asyncio.create_task(trial.send(testbed, int(rate * bench.effort.away_seconds * 1.5), rate))
    await asyncio.sleep(bench.effort.away_seconds)
    await embedded.start(testbed.stack, AWAY)
    back, backlog, ended_before = time.monotonic(), await _pending(testbed), await _ended(testbed)
    await _caught_up(testbed, rate)
    caught_up = time.monotonic()
    worked_off = await _ended(testbed) - ended_before
    await arriving
    speed = worked_off / (caught_up - back)
    return Result(
        [
            Value(
                "catch-up after a service was away, of the arrival rate",
                speed / rate,
                must=3,
                aim=6,
                most=False,
            )
        ],
        {
            "away": AWAY,
            "away_seconds": back - began,
            "arrival_rate": rate,
            "backlog": backlog,
            "catching_up_seconds": caught_up - back,
            "orders_per_second": speed,
        },
    )


async def _caught_up(testbed: Testbed, rate: float) -> None:
    """Return when fewer orders are PENDING than arrive in a second."""
    while await _pending(testbed) > rate:  # noqa: ASYNC110  only the database knows
        await asyncio.sleep(LOOK_SECONDS)


async def _pending(testbed: Testbed) -> int:
    return await _count(testbed, "state = 'PENDING'")


async def _ended(testbed: Testbed) -> int:
    return await _count(testbed, "state <> 'PENDING'")


async def _count(testbed: Testbed, condition: str) -> int:
    async with testbed.database("orders") as orders:
        return int(await orders.fetchval(f"SELECT count(*) FROM orders WHERE {condition}"))


FIGURE = Figure("catch-up", "Catching up after a service was away", measure, (SHOP,))
