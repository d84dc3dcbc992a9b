"""SQL round trips per order under load, counted in PostgreSQL's log of all statements."""

from __future__ import annotations

import re
from collections import Counter

from shop_lab import trial
from shop_lab.benchmarks.benchmark import SHOP, Benchmark
from shop_lab.benchmarks.charts import Bars
from shop_lab.benchmarks.figure import Figure, Result
from shop_lab.values import Value
from shop_stack.stack import POSTGRES

ASKED = re.compile(r"^\S+ \S+ \S+ \[\d+\] (\w+) LOG:  duration: \S+ ms  (parse|execute|statement)\b")
"""A log line that is a round trip of its own. A bind is not: it is sent together with its execute."""


async def measure(bench: Benchmark) -> Result:
    """Count in a separate loaded run, because the log takes time."""
    await bench.configure(SHOP)
    log = bench.testbed.stack.daemon(POSTGRES).log
    async with bench.testbed.database("postgres") as connection:
        await connection.execute("ALTER SYSTEM SET log_min_duration_statement = 0")
        await connection.execute("ALTER SYSTEM SET log_parameter_max_length = 0")
        await connection.execute("SELECT pg_reload_conf()")
        start = log.stat().st_size
        run = await trial.place(bench.testbed, bench.effort.orders, 0)
        await connection.execute("ALTER SYSTEM RESET log_min_duration_statement")
        await connection.execute("SELECT pg_reload_conf()")
    with log.open(encoding="utf-8", errors="replace") as lines:
        lines.seek(start)
        asked = Counter(match[1] for line in lines if (match := ASKED.match(line)))
    per_order = {database: asked[database] / run.orders for database in bench.testbed.stack.services}
    return Result(
        [Value("SQL round trips per order, at load", sum(per_order.values()), 12, 6, unit="")],
        {"per_order": per_order},
        [Bars("Round trips per order, by service", "", {"shop": per_order})],
    )


FIGURE = Figure("round-trips", "SQL round trips per order, at load", measure)
