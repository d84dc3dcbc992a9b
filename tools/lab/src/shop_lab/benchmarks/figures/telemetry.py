"""The CPU per order that tracing adds, if every order is traced, and if 1 % of the orders are."""

from __future__ import annotations

from shop_lab.benchmarks.benchmark import SAMPLED, SHOP, UNTRACED, Benchmark
from shop_lab.benchmarks.charts import Bars
from shop_lab.benchmarks.figure import Figure, Result
from shop_lab.values import Value


async def measure(bench: Benchmark) -> Result:
    """Take the numbers from the loaded runs. The result is relative to an order without tracing."""
    cost = bench.cpu_ms_at_one_speed((SHOP, SAMPLED, UNTRACED))
    added = {variant: 100 * (cost[variant] / cost[UNTRACED] - 1) for variant in (SHOP, SAMPLED)}
    return Result(
        [
            Value("CPU of telemetry, every order traced", added[SHOP], 20, 10, unit="%"),
            Value("CPU of telemetry, 1 % traced", added[SAMPLED], 5, 2, unit="%"),
        ],
        {
            "cpu_ms_per_order_at_one_speed": cost,
            "of_each_round": {variant: [run.cpu_ms for run in bench.trials[variant]] for variant in cost},
            "yardstick_ms": {
                variant: [run.yardstick_ms for run in bench.trials[variant]] for variant in cost
            },
        },
        [Bars("CPU per order, at one speed", "ms", {variant: {"order": ms} for variant, ms in cost.items()})],
    )


FIGURE = Figure("telemetry", "CPU of telemetry", measure, (SHOP, UNTRACED, SAMPLED))
