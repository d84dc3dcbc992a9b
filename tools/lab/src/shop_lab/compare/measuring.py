"""One run of one shape: its start, the shop at rest, all orders at once, and orders at fixed rates."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from shop_lab import trial
from shop_lab.compare import slow_card
from shop_lab.compare.counting import counted
from shop_lab.compare.figures import OF_LOAD, RATES, ROWS
from shop_lab.compare.hops import hops
from shop_lab.compare.plan import Effort
from shop_lab.samples import percentiles
from shop_lab.testbed import Testbed
from shop_stack import embedded
from shop_stack.stack import KAFKA, POSTGRES

SETTLING = 5.0
"""Seconds between the start and the measurement at rest: consumers join their groups."""
HOPS_RATE = RATES[0]
"""Orders per second at which an event does not wait behind others."""
CHANGED = "notifications"
"""The service of which a line was changed."""


@dataclass
class Measured:
    """What was measured in one run."""

    values: dict[str, float] = field(default_factory=dict)
    """Key of a row → value."""
    pieces: dict[str, dict[str, float]] = field(default_factory=dict)
    """Key of a row → part of the shop → its piece of the value."""

    def put(self, key: str, pieces: dict[str, float]) -> None:
        """A value that is the sum of its pieces."""
        self.values[key] = sum(pieces.values())
        self.pieces[key] = pieces


async def measure(
    testbed: Testbed, figures: frozenset[str], effort: Effort, log: Callable[[str], None]
) -> Measured:
    """Start a shop that is down and has data, and measure these figures. It runs afterwards.

    Raises UserError if a part does not start, or if orders do not end.
    """
    found = Measured()
    log("starting")
    began = time.monotonic()
    await embedded.up(testbed.stack)
    found.values["start_seconds"] = time.monotonic() - began
    found.values |= await counted(testbed)
    if "rest" in figures:
        log("at rest")
        await rest(testbed, effort.idle_seconds, found)
    if figures & {*OF_LOAD, "half", "latency", "hops", "slow"}:
        log("warming up")
        await trial.place(testbed, effort.warm_up, 0)
    if figures & {*OF_LOAD, "half"}:
        log(f"{effort.orders} orders at once")
        await all_at_once(testbed, effort.orders, found)
    if "half" in figures:
        log("half of its limit")
        found.values |= await at_half(testbed, found.values["orders_per_second"] / 2, effort.rate_seconds)
    for rate in rates_of(figures):
        log(f"{rate} orders/s")
        found.values |= await at_rate(testbed, rate, effort.rate_seconds)
    if "slow" in figures:
        log("beside a slow card")
        found.values |= await slow_card.beside(testbed, effort.rate_seconds)
    if "change" in figures:
        log("a changed line")
        found.values["change_seconds"] = await restart(testbed)
    found.values = {key: value for key, value in found.values.items() if ROWS[key].figure in figures}
    found.pieces = {key: pieces for key, pieces in found.pieces.items() if key in found.values}
    return found


def rates_of(figures: Collection[str]) -> tuple[int, ...]:
    """The rates at which orders arrive for these figures."""
    if "latency" in figures:
        return RATES
    return (HOPS_RATE,) if "hops" in figures else ()


async def at_rate(testbed: Testbed, rate: int, seconds: float) -> dict[str, float]:
    """Key → time of an order while orders arrive at a rate; at HOPS_RATE the time of each hop, too."""
    run = await trial.place(testbed, int(rate * seconds), rate)
    found = times_of(run, "{}_ms_at_" + str(rate))
    return found | await hops(testbed, run.due) if rate == HOPS_RATE else found


async def restart(testbed: Testbed) -> float:
    """Seconds from the end of the process that has CHANGED until its successor is ready.

    Python compiles a changed file when it is imported, so there is no build. The other services go on.
    """
    began = time.monotonic()
    await embedded.restart(testbed.stack, testbed.stack.database_of(CHANGED))
    return time.monotonic() - began


async def rest(testbed: Testbed, seconds: float, found: Measured) -> None:
    """Measure everything that `shop up` starts, without orders. Shared memory pages count once."""
    await asyncio.sleep(SETTLING)
    before = testbed.clock()
    await asyncio.sleep(seconds)
    spent = testbed.clock().since(before)
    found.put("cpu_percent", {name: 100 * cpu / spent.wall for name, cpu in spent.parts.items()})
    running = {name: testbed.stack.daemon(name).resources() for name in testbed.stack.parts}
    found.put("memory_mb", {name: each.proportional / 2**20 for name, each in running.items() if each})


async def all_at_once(testbed: Testbed, orders: int, found: Measured) -> None:
    """Measure orders per second, and the CPU and the bytes of an order, when all arrive at once."""
    before = await written(testbed)
    run = await trial.place(testbed, orders, 0)
    after = await written(testbed)
    found.values["orders_per_second"] = run.rate
    cost = run.spent.cost_by_part
    found.put("cpu_ms", {name: 1000 * seconds / orders for name, seconds in cost.items()})
    found.put("bytes_kb", {name: (after[name] - before[name]) / 1000 / orders for name in after})


async def at_half(testbed: Testbed, rate: float, seconds: float) -> dict[str, float]:
    """Key → time of an order while orders arrive at half of the rate that the shape can process."""
    return times_of(await trial.place(testbed, int(rate * seconds), rate), "half_{}_ms")


def times_of(run: trial.Trial, key: str) -> dict[str, float]:
    """Key → p50 and p99 of the time of an order. `key` has `{}` in the place of their names."""
    waits = percentiles([run.latencies])
    return {key.format(share): waits[share] for share in ("p50", "p99")}


async def written(testbed: Testbed) -> dict[str, float]:
    """Server → bytes in its log until now: PostgreSQL's write-ahead log, and the records of all of Kafka's topics."""
    async with testbed.database("postgres") as connection:
        wal = await connection.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8")
    found = {POSTGRES: wal}
    for name in testbed.stack.broker_names:
        segments = (testbed.stack.state / name).rglob("*.log")
        found[KAFKA] = found.get(KAFKA, 0.0) + sum(file.stat().st_size for file in segments)
    return found
