"""How the cost of an order changes with more partitions, and with more replicas of the services."""

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
    """Measure in turn, at half of the shop's rate, so that the cost is compared and not the length of a queue.

    Before each run some orders are placed that are not counted. With four replicas, 15 of 20 processes are new; after
    the topics were created anew, all are, and the broker compiles. The first connections and prepared statements of a
    process are a cost of its start, and not of an order.
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
    """The growth of a cost in percent. The limit is 10 %."""
    return Value(name, 100 * (after / before - 1), 10, 0, unit="% more")


FIGURE = Figure("scaling", "CPU per order with more partitions and replicas", measure, (SHOP,))
