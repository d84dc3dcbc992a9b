"""What an order costs when the topics have more partitions, and when the services have more replicas."""

from __future__ import annotations

from statistics import median

from shop_lab import scratch, trial
from shop_lab.benchmarks.benchmark import SHOP, Benchmark, there_and_back
from shop_lab.benchmarks.charts import Bars
from shop_lab.benchmarks.figure import Figure, Result
from shop_lab.values import Value

PARTITIONS = (1, 48)
REPLICAS = (1, 4)


async def measure(bench: Benchmark) -> Result:
    """In turn, at half of what the shop can do, so that a cost is compared and not a queue.

    Before each run come some orders that are not counted. Fifteen of twenty processes are new where there are four
    replicas, and none where there is one; after new topics all are, and the broker compiles. What each does for the
    first time (connect, prepare its statements) is the price of a start, not of an order.
    """
    await bench.configure(SHOP)
    rate = bench.rate(SHOP) / 2
    found: dict[str, list[float]] = {}

    async def run(name: str) -> None:
        await trial.place(bench.testbed, bench.effort.orders // 10, rate)
        cost = (await trial.place(bench.testbed, bench.effort.orders // 2, rate)).cpu_ms
        found.setdefault(name, []).append(cost)

    for _, count in there_and_back(REPLICAS, bench.effort.rounds):
        async with bench.testbed.running_replicas(count):
            await run(f"{count} replicas")
    for _, count in there_and_back(PARTITIONS, bench.effort.rounds):
        await scratch.repartition(bench.testbed, count)
        await run(f"{count} partitions")
    await scratch.repartition(bench.testbed, None)
    cost = {name: median(costs) for name, costs in found.items()}
    few_replicas, many_replicas, few_partitions, many_partitions = cost.values()
    return Result(
        [
            growth("CPU per order, replicas 1 → 4", few_replicas, many_replicas),
            growth("CPU per order, partitions 1 → 48", few_partitions, many_partitions),
        ],
        {"orders_per_second": rate, "cpu_ms_per_order": found},
        [Bars("CPU per order", "ms", {name: {"order": ms} for name, ms in cost.items()})],
    )


def growth(name: str, before: float, after: float) -> Value:
    """By how much a cost grew. It is judged by a limit of 10 %."""
    return Value(name, 100 * (after / before - 1), 10, 0, unit="% more")


FIGURE = Figure("scaling", "CPU per order with more partitions and replicas", measure, (SHOP,))
