"""CPU per order: all processes that an order needs, as a multiple of the CPU of its SQL and its messages alone."""

from __future__ import annotations

from shop_lab.benchmarks.benchmark import BASELINE, NAIVE, SHOP, Benchmark
from shop_lab.benchmarks.charts import Bars
from shop_lab.benchmarks.figure import Figure, Result
from shop_lab.values import Value


async def measure(bench: Benchmark) -> Result:
    """Take the numbers from the loaded runs."""
    cost = {variant: bench.cpu_ms(variant) for variant in (BASELINE, SHOP, NAIVE) if bench.ran(variant)}
    by_part = {variant: bench.cpu_ms_by_part(variant) for variant in cost}
    return Result(
        [Value("CPU per order, of the baseline's", cost[SHOP] / cost[BASELINE], must=3, aim=1.5)],
        {"cpu_ms_per_order": cost, "by_part": by_part},
        [Bars("CPU per order, by process", "ms", by_part)],
    )


FIGURE = Figure("cpu", "CPU per order, tracing every order", measure, (BASELINE, SHOP, NAIVE))
