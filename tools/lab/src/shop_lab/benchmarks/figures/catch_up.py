"""A service was away and orders went on arriving: how fast it catches up, against the rate at which they arrive."""

from __future__ import annotations

import asyncio
import time

from shop_lab import trial
from shop_lab.benchmarks.bench import SHOP, Bench
from shop_lab.benchmarks.figure import Figure, Result
from shop_lab.stage import Stage
from shop_lab.values import Value
from shop_stack import embedded

AWAY = "payments"
LOOK_SECONDS = 0.25


async def measure(bench: Bench) -> Result:
    """Payments is stopped, orders arrive at a quarter of what the shop can do, payments comes back; they go on coming.

    The backlog is the orders that are PENDING. While it is worked off, new orders are worked off too: the speed of
    catching up is all of them.
    """
    await bench.dress(SHOP)
    stage, rate = bench.stage, bench.rate(SHOP) / 4
    await embedded.stop(stage.stack, AWAY)
    began = time.monotonic()
    arriving = asyncio.create_task(trial.send(stage, int(rate * bench.effort.away_seconds * 1.5), rate))
    await asyncio.sleep(bench.effort.away_seconds)
    await embedded.start(stage.stack, AWAY)
    back, backlog, ended_before = time.monotonic(), await _pending(stage), await _ended(stage)
    await _caught_up(stage, rate)
    caught_up = time.monotonic()
    worked_off = await _ended(stage) - ended_before
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


async def _caught_up(stage: Stage, rate: float) -> None:
    """Return when fewer orders wait than arrive in a second: that is no backlog."""
    while await _pending(stage) > rate:  # noqa: ASYNC110  nobody but the database knows
        await asyncio.sleep(LOOK_SECONDS)


async def _pending(stage: Stage) -> int:
    return await _count(stage, "state = 'PENDING'")


async def _ended(stage: Stage) -> int:
    return await _count(stage, "state <> 'PENDING'")


async def _count(stage: Stage, condition: str) -> int:
    async with stage.database("orders") as orders:
        return int(await orders.fetchval(f"SELECT count(*) FROM orders WHERE {condition}"))


FIGURE = Figure("catch-up", "Catching up after a service was away", measure, (SHOP,))
