"""The CPU and the memory that the whole system uses while it is idle."""

from __future__ import annotations

import asyncio

from shop_lab.benchmarks.benchmark import SHOP, Benchmark
from shop_lab.benchmarks.charts import Bars
from shop_lab.benchmarks.figure import Figure, Result
from shop_lab.values import Value

SETTLING = 10.0
"""Seconds after the start before the measurement begins."""


async def measure(bench: Benchmark) -> Result:
    """Measure everything that `shop up` starts, including the card processor. Shared memory pages count once."""
    await bench.configure(SHOP)
    await _catch_up(bench)
    await asyncio.sleep(SETTLING)
    before = bench.testbed.clock()
    await asyncio.sleep(bench.effort.idle_seconds)
    spent = bench.testbed.clock().since(before)
    share = {name: 100 * seconds / spent.wall for name, seconds in spent.parts.items()}
    memory = {}
    for name in bench.testbed.stack.parts:
        if (resources := bench.testbed.stack.daemon(name).resources()) is not None:
            memory[name] = resources.proportional / 2**30
    return Result(
        [
            Value("whole system idle, CPU of one core", sum(share.values()), 6, 2, unit="%"),
            Value("whole system idle, memory", sum(memory.values()), 1.0, 0.7, unit="GB"),
        ],
        {"cpu_percent": share, "memory_gb": memory},
        [Bars("Idle CPU", "%", {"idle": share}), Bars("Memory", "GB", {"idle": memory})],
    )


async def _catch_up(bench: Benchmark) -> None:
    """Have PostgreSQL do now the work that it deferred during the earlier figures."""
    bench.log("vacuum and checkpoint")
    for service in bench.testbed.stack.services:
        async with bench.testbed.database(service) as database:
            await database.execute("VACUUM (ANALYZE)")
    async with bench.testbed.stack.server.connected() as cluster:
        await cluster.execute("CHECKPOINT")


FIGURE = Figure("idle", "The whole system idle", measure)
