"""The time of a report of analytics over HTTP when there are millions of orders."""

from __future__ import annotations

import time
from typing import Any

import asyncpg
import httpx

from shop_lab.benchmarks.benchmark import FULL, SHOP, Benchmark
from shop_lab.benchmarks.charts import Bars
from shop_lab.benchmarks.figure import Figure, Result
from shop_lab.samples import percentiles
from shop_lab.testbed import Testbed
from shop_lab.values import Value
from shop_stack.logins import OPERATOR, Login

REPORTS = (
    "orders-by-state",
    "revenue",
    "top-products?limit=100",
    "time-to-confirm",
    "funnel",
)
MANY, FEWER = 10_000_000, 1_000_000
"""Orders of a full run, and of a quick run."""
AT_ONCE = 50_000
"""Orders that one statement inserts."""
REQUESTS = 300
"""How many times each report is requested, one after another."""

SEED = """
    INSERT INTO order_facts (
        generation, order_id, order_version, order_state, placed_at, confirmed_at, total_minor, currency, lines,
        reservation_version, reservation_state, reserved_at, payment_version, payment_state, captured_at,
        notified_at
    )
    SELECT (SELECT generation FROM projection_state WHERE state = 'ACTIVE'), gen_random_uuid(), 2,
           CASE WHEN n % 20 = 0 THEN 'CANCELLED' ELSE 'CONFIRMED' END, placed_at,
           CASE WHEN n % 20 > 0 THEN placed_at + wait END, 2598, 'EUR',
           jsonb_build_array(
               jsonb_build_object('sku', 'growth-' || n % 1000, 'quantity', 1, 'unit_price_minor', 1299),
               jsonb_build_object('sku', 'growth-' || n % 997, 'quantity', 1, 'unit_price_minor', 1299)
           ),
           2, 'COMMITTED', placed_at + wait / 5, 2, 'CAPTURED', placed_at + wait / 2, placed_at + wait * 2
    FROM generate_series(CAST($1 AS bigint), CAST($2 AS bigint)) AS n
    CROSS JOIN LATERAL (
        SELECT timestamptz '2026-01-01' + n * interval '10 ms' AS placed_at,
               interval '1 s' * exp(ln(0.4) + 0.4 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())) AS wait
    ) AS moments
"""
"""Orders of about a thousand products. Their waits are around 0.4 s, and all differ."""

TABLES = "order_facts, order_totals, product_totals, wait_totals"


async def measure(bench: Benchmark) -> Result:
    """Insert orders directly into the table, whose triggers count them; measure; delete them at the end."""
    orders = MANY if bench.effort.orders >= FULL.orders else FEWER
    await bench.configure(SHOP)
    before = await _ask(bench.testbed)
    async with bench.testbed.database("analytics") as analytics:
        try:
            await _seed(bench, analytics, orders)
            bench.log("asking for reports")
            after = await _ask(bench.testbed)
        finally:
            await analytics.execute(f"TRUNCATE {TABLES}")
    p99 = {report: found["p99"] for report, found in after.items()}
    return Result(
        [Value(f"slowest report at {orders:,} orders, p99", max(p99.values()), must=20, aim=10, unit="ms")],
        {"orders": orders, "before_ms": before, "report_ms": after},
        [Bars(f"A report at {orders:,} orders", "ms", {report: {"p99": ms} for report, ms in p99.items()})],
    )


async def _seed(bench: Benchmark, analytics: asyncpg.Connection[Any], orders: int) -> None:
    for first in range(0, orders, AT_ONCE):
        bench.log(f"seeding order {first:,} of {orders:,}")
        await analytics.execute(SEED, first, first + AT_ONCE - 1)
    bench.log("vacuum and checkpoint")
    await analytics.execute(f"VACUUM (ANALYZE) {TABLES}")
    await analytics.execute("CHECKPOINT")


async def _ask(testbed: Testbed) -> dict[str, dict[str, float]]:
    """Report → milliseconds of a response, by percentile."""
    url = testbed.target.service_urls["analytics"]
    found = {}
    login = Login(testbed.target.issuer, OPERATOR)
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False, auth=login) as client:
        for report in REPORTS:
            seconds = [await _answered(client, report) for _ in range(REQUESTS)]
            found[report] = percentiles([sorted(seconds)])
    return found


async def _answered(client: httpx.AsyncClient, report: str) -> float:
    """Seconds until one response is complete."""
    began = time.perf_counter()
    (await client.get(f"/reports/{report}")).raise_for_status()
    return time.perf_counter() - began


FIGURE = Figure("growth", "Reports over very many orders", measure)
