"""The latency from a commit to the handler of its event on an idle system, compared with a plain Kafka message."""

from __future__ import annotations

from shop_lab.benchmarks.benchmark import Benchmark
from shop_lab.benchmarks.beside_bare import beside_bare
from shop_lab.benchmarks.charts import Lines
from shop_lab.benchmarks.figure import Figure, Result
from shop_lab.samples import percentiles, pooled
from shop_lab.values import Value


async def measure(bench: Benchmark) -> Result:
    """Run the probe, which alternates between both."""
    found = await beside_bare(bench, "visible", samples=bench.effort.samples)
    ours, bare = percentiles([found["chassis"]]), percentiles([found["bare"]])
    return Result(
        [
            Value(
                "commit → visible on an idle system, p50, of a bare message's",
                ours["p50"] / bare["p50"],
                2,
                1.3,
            ),
            Value(
                "commit → visible on an idle system, p99, of a bare message's",
                ours["p99"] / bare["p99"],
                4,
                2,
            ),
        ],
        {"chassis_ms": ours, "bare_ms": bare},
        [
            Lines(
                "Commit → visible",
                "ms",
                {"chassis": pooled([found["chassis"]]), "bare message": pooled([found["bare"]])},
            )
        ],
    )


FIGURE = Figure("visible", "Commit → visible on an idle system", measure)
