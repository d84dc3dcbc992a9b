"""Orders per second that end, if more arrive than the machine can process."""

from __future__ import annotations

from shop_lab.benchmarks.benchmark import BASELINE, NAIVE, SHOP, Benchmark
from shop_lab.benchmarks.charts import Bars
from shop_lab.benchmarks.figure import Figure, Result
from shop_lab.values import Value


async def measure(bench: Benchmark) -> Result:
    """Take the numbers from the loaded runs."""
    rates = {variant: bench.rate(variant) for variant in (BASELINE, SHOP, NAIVE) if bench.ran(variant)}
    return Result(
        [
            Value(
                "orders/s, share of the baseline's",
                rates[SHOP] / rates[BASELINE],
                must=0.3,
                aim=0.6,
                most=False,
            )
        ],
        {"orders_per_second": rates},
        [Bars("Orders per second", "1/s", {name: {"orders": rate} for name, rate in rates.items()})],
    )


FIGURE = Figure("throughput", "Orders per second to a terminal state", measure, (BASELINE, SHOP, NAIVE))
