"""Durable effects per second of one consumer, compared with pgbench: the same rows, one transaction per event."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from shop_lab import probe_runner, scratch
from shop_lab.benchmarks import pgbench
from shop_lab.benchmarks.benchmark import Benchmark
from shop_lab.benchmarks.charts import Bars
from shop_lab.benchmarks.figure import Figure, Result
from shop_lab.values import Value

SCRIPT = Path(__file__).parent.parent / "effect.sql"
DATA = '{"thing":"thing-4711","number":4711,"padding":"' + "x" * 120 + '"}'


async def measure(bench: Benchmark) -> Result:
    """Run both in turn. pgbench has 16 clients; the consumer is one process with one connection."""
    rates: dict[str, list[float]] = {"consumer": [], "pgbench": []}
    async with scratch.database(bench.testbed) as database:
        for _ in range(bench.effort.rounds):
            found = await probe_runner.run_probe(
                "effects",
                database=database,
                kafka=bench.testbed.kafka,
                topic=await scratch.topic(bench.testbed, "effects"),
                effects=bench.effort.effects,
            )
            rates["consumer"].append(found["rate"])
            run = await pgbench.run(bench.testbed, SCRIPT, "scratch", bench.effort.effects, {"data": DATA})
            rates["pgbench"].append(run.transactions / run.wall)
    typical = {name: median(found) for name, found in rates.items()}
    share = typical["consumer"] / typical["pgbench"]
    return Result(
        [Value("durable consumer effects/s, of pgbench's", share, must=1, aim=2, most=False)],
        {"effects_per_second": rates},
        [Bars("Effects per second", "1/s", {name: {"effects": rate} for name, rate in typical.items()})],
    )


FIGURE = Figure("effects", "Durable effects of a consumer", measure)
