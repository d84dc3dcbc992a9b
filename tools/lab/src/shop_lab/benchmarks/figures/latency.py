"""The latency from placement to confirmation at fixed rates and at half load, compared with its commits and Kafka
hops alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shop_lab import probe_runner, trial
from shop_lab.benchmarks import baseline, latency_breakdown
from shop_lab.benchmarks.benchmark import SHOP, Benchmark
from shop_lab.benchmarks.charts import Bars, Lines
from shop_lab.benchmarks.figure import Figure, Result
from shop_lab.samples import percentiles, pooled
from shop_lab.testbed import Testbed
from shop_lab.trial import Trial
from shop_lab.values import Value

JUDGED, AIMED = 20.0, 60.0
"""Orders per second. The limits are a must at the first rate, and an aim at the second."""
LIMITS = {"p50": 3.0, "p99": 5.0}
FIXED_SECONDS = 45
"""Seconds for which orders arrive at each of these rates."""
SHARES = {"middle fifth": (0.4, 0.6), "slowest 2 %": (0.98, 1.0)}
"""Name → the two shares (0 to 1) of all orders between which orders are averaged, the fastest first."""


async def measure(bench: Benchmark) -> Result:
    """Measure in turn: orders at the two fixed rates, at half of the rate of the loaded runs, and the bare path.

    The latency at half of that rate has no limit: batches are not full and the cores are busy.
    """
    await bench.configure(SHOP)
    half = bench.rate(SHOP) / 2
    runs: dict[float, list[Trial]] = {JUDGED: [], AIMED: [], half: []}
    bare: list[list[float]] = []
    came: list[latency_breakdown.Moments] = []
    for _ in range(bench.effort.rounds):
        for rate, done in runs.items():
            orders = bench.effort.orders if rate == half else int(FIXED_SECONDS * rate)
            done.append(await trial.place(bench.testbed, min(orders, bench.effort.orders), rate))
        came += await latency_breakdown.moments(bench.testbed, runs[half][-1])
        async with bench.testbed.without_services():
            bare.append((await _bare_path(bench.testbed, bench.effort.samples))["seconds"])
    by_stage = {name: latency_breakdown.share(came, *which) for name, which in SHARES.items()}
    seconds = {rate: [run.latencies for run in done] for rate, done in runs.items()}
    shop = {rate: percentiles(of_rate) for rate, of_rate in seconds.items()}
    path = percentiles(bare)
    lines = {f"{rate:.0f} orders/s": pooled(of_rate) for rate, of_rate in seconds.items()}
    return Result(
        [value for rate, of_rate in shop.items() for value in _values(rate, of_rate, path)],
        {
            "orders_per_second": half,
            "shop_ms": {f"{rate:.0f}": of_rate for rate, of_rate in shop.items()},
            "bare_path_ms": path,
            "cpu_ms_per_order": [run.cpu_ms for run in runs[half]],
            "by_stage_ms": by_stage,
        },
        [
            Lines("Place → confirmed", "ms", lines | {"bare path": pooled(bare)}),
            Bars("Place → confirmed, by what the order has come to", "ms", by_stage),
        ],
    )


def _values(rate: float, shop: Mapping[str, float], path: Mapping[str, float]) -> list[Value]:
    """The latency at a rate, divided by that of the bare path."""
    return [
        Value(
            f"place → confirmed at {rate:.0f} orders/s, {part}, of the bare path's",
            shop[part] / path[part],
            must=bound if rate == JUDGED else None,
            aim=bound if rate in (JUDGED, AIMED) else None,
        )
        for part, bound in LIMITS.items()
    ]


async def _bare_path(testbed: Testbed, orders: int) -> dict[str, Any]:
    server = testbed.stack.server
    return await probe_runner.run_probe(
        "bare_path",
        kafka=testbed.kafka,
        prefix=baseline.PREFIX,
        database=server.url(baseline.DATABASE, server.superuser, server.password),
        script=str(baseline.SCRIPT),
        values=baseline.values(testbed.target.contracts),
        orders=orders,
    )


FIGURE = Figure("latency", "Place → confirmed", measure, (SHOP,))
