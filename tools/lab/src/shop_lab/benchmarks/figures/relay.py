"""How fast the relay sends a full outbox, in the order of each key, compared with a plain producer."""

from __future__ import annotations

from statistics import median

from shop_lab.benchmarks.benchmark import Benchmark
from shop_lab.benchmarks.beside_bare import beside_bare
from shop_lab.benchmarks.charts import Bars
from shop_lab.benchmarks.figure import Figure, Result
from shop_lab.values import Value


async def measure(bench: Benchmark) -> Result:
    """Run the probe, which alternates between both and checks the order of the messages."""
    rates = await beside_bare(bench, "relay", rows=bench.effort.rows)
    typical = {name: median(found) for name, found in rates.items()}
    return Result(
        [
            Value(
                f"relay draining {bench.effort.rows:,} rows, share of bare sending",
                typical["relay"] / typical["bare"],
                must=0.4,
                aim=0.7,
                most=False,
            )
        ],
        {"rows_per_second": rates},
        [Bars("Rows per second", "1/s", {name: {"rows": rate} for name, rate in typical.items()})],
    )


FIGURE = Figure("relay", "The relay draining a full outbox", measure)
