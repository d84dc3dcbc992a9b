"""What the whole system takes while nothing happens: CPU of all its processes, and their memory."""

from __future__ import annotations

import asyncio

from shop_lab.benchmarks.benchmark import SHOP, Benchmark
from shop_lab.benchmarks.charts import Bars
from shop_lab.benchmarks.figure import Figure, Result
from shop_lab.values import Value

SETTLING = 10.0
"""Seconds after the start before anything is measured."""


async def measure(bench: Benchmark) -> Result:
    """Everything that `shop up` starts, the sandbox processor too; memory with shared pages counted once."""
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
    """Have PostgreSQL do now what it put off while the figures before this one kept it busy."""
    bench.log("vacuum and checkpoint")
    for service in bench.testbed.stack.services:
        async with bench.testbed.database(service) as database:
            await database.execute("VACUUM (ANALYZE)")
    async with bench.testbed.stack.server.connected() as cluster:
        await cluster.execute("CHECKPOINT")


FIGURE = Figure("idle", "The whole system idle", measure)
