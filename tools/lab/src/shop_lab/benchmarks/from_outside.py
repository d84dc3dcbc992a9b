"""Measures a shop that runs elsewhere, from outside: orders per second, and the latency of requests and orders.

The CPU time of an order and the baseline are measured only on the embedded stack: the processes of another shop may run
on other machines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import asyncpg
from rich.console import Console
from rich.table import Table

from shop_lab.samples import percentiles
from shop_load.closed_loop import Customers, Placed, serve_customers
from shop_load.plans import Scenario, plan_run, run_name
from shop_observe.history import History, Request, read_history
from shop_observe.topics import declared_topics
from shop_oracle.quiet import wait_for_rest
from shop_stack.errors import UserError
from shop_stack.target import Target

QUICK, FULL = 200, 2_000
"""Numbers of orders."""
CONCURRENCY = 16
REST = 600.0
"""Seconds within which all orders must end."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What CONCURRENCY customers observed of a shop."""

    target: str
    orders: int
    failed: int
    """Requests without an answer, or with a 5xx; each was repeated."""
    orders_per_second: float
    """From the first request to the end of the last order."""
    answered_ms: dict[str, float]
    """From a request to its 202, by percentile."""
    confirmed_ms: dict[str, float]
    """From the time in an order's row at which it was placed to the time at which it ended, by percentile."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def measure(target: Target, orders: int) -> Seen:
    """Place orders that will be confirmed, and wait until they have ended. Raises UserError if they do not."""
    run = plan_run(run_name(0), orders, seed=0, only=Scenario.CONFIRMED)
    with History(target.state / "history", run.name) as history:
        placed = await serve_customers(target, run, history, Customers(CONCURRENCY))
    if moving := await wait_for_rest(target, declared_topics(target.contracts), REST):
        raise UserError(f"After {REST:.0f} s the orders have not come to their end: {', '.join(moving)}.")
    file = target.state / "history" / f"{run.name}.jsonl"
    asked = [one for one in read_history(run.name, file.read_text().splitlines()) if one.key]
    return seen(target.name, asked, await lives_of(target, placed))


async def lives_of(target: Target, placed: Sequence[Placed]) -> list[tuple[float, float]]:
    """(placed, ended) of each order, by the database of orders, in seconds since the epoch."""
    connection = await asyncpg.connect(target.database_urls["orders"])
    try:
        rows = await connection.fetch(
            "SELECT extract(epoch FROM placed_at)::float8, extract(epoch FROM ended_at)::float8"
            " FROM orders WHERE id = ANY($1::uuid[])",
            [one.order_id for one in placed],
        )
    finally:
        await connection.close()
    return [(row[0], row[1]) for row in rows]


def seen(target: str, asked: Sequence[Request], lives: Sequence[tuple[float, float]]) -> Seen:
    """The figures, computed from the requests and from the orders' times of placement and end."""
    waits = sorted(one.answered_at - one.asked_at for one in asked if one.answered_at and one.status == 202)
    return Seen(
        target=target,
        orders=len(lives),
        failed=sum(one.status is None or one.status >= 500 for one in asked),
        orders_per_second=len(lives) / (max(end for _, end in lives) - min(one.asked_at for one in asked)),
        answered_ms=percentiles([waits]),
        confirmed_ms=percentiles([sorted(end - start for start, end in lives)]),
    )


def print_seen(found: Seen, console: Console) -> None:
    table = Table(title=f"{found.orders} orders through {found.target}", title_justify="left")
    for column in ("", "p50", "p90", "p99"):
        table.add_column(column, justify="right" if column else "left")
    for name, times in (("asked → answered", found.answered_ms), ("placed → ended", found.confirmed_ms)):
        table.add_row(name, *(f"{value:,.0f} ms" for value in times.values()))
    console.print(table)
    console.print(f"{found.orders_per_second:.1f} orders/s, {found.failed} failed requests", highlight=False)
    console.print(
        f"Seen from outside, {CONCURRENCY} customers at a time. What an order costs is measured by `shop bench` on "
        "a stack of its own.",
        style="dim",
        highlight=False,
    )
