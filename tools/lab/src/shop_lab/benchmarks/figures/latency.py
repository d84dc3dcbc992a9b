"""The latency from placement to confirmation at half load, compared with its commits and Kafka hops alone."""

from __future__ import annotations

from typing import Any

from shop_lab import probe_runner, trial
from shop_lab.benchmarks import baseline, latency_breakdown
from shop_lab.benchmarks.benchmark import SHOP, Benchmark
from shop_lab.benchmarks.charts import Bars, Lines
from shop_lab.benchmarks.figure import Figure, Result
from shop_lab.samples import percentiles, pooled
from shop_lab.testbed import Testbed
from shop_lab.values import Value

SHARES = {"middle fifth": (0.4, 0.6), "slowest 2 %": (0.98, 1.0)}
"""Name → the two shares (0 to 1) of all orders between which orders are averaged, the fastest first."""


async def measure(bench: Benchmark) -> Result:
    """Measure in turn: orders at half of the rate of the loaded runs, and the bare path."""
    await bench.configure(SHOP)
    rate = bench.rate(SHOP) / 2
    shop: list[list[float]] = []
    bare: list[list[float]] = []
    cpu = []
    came: list[latency_breakdown.Moments] = []
    for _ in range(bench.effort.rounds):
        run = await trial.place(bench.testbed, bench.effort.orders, rate)
        shop.append(run.latencies)
        cpu.append(run.cpu_ms)
        came += await latency_breakdown.moments(bench.testbed, run)
        async with bench.testbed.without_services():
            bare.append((await _bare_path(bench.testbed, bench.effort.samples))["seconds"])
    by_stage = {name: latency_breakdown.share(came, *which) for name, which in SHARES.items()}
    ours, theirs = percentiles(shop), percentiles(bare)
    return Result(
        [
            Value(
                "place → confirmed at half load, p50, of the bare path's", ours["p50"] / theirs["p50"], 3, 1.5
            ),
            Value(
                "place → confirmed at half load, p99, of the bare path's", ours["p99"] / theirs["p99"], 5, 3
            ),
        ],
        {
            "orders_per_second": rate,
            "shop_ms": ours,
            "bare_path_ms": theirs,
            "cpu_ms_per_order": cpu,
            "by_stage_ms": by_stage,
        },
        [
            Lines("Place → confirmed", "ms", {"shop": pooled(shop), "bare path": pooled(bare)}),
            Bars("Place → confirmed, by what the order has come to", "ms", by_stage),
        ],
    )


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


FIGURE = Figure("latency", "Place → confirmed at half load", measure, (SHOP,))
