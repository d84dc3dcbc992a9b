"""Ordinary orders: how long each took from its request to its end, and which did not end as they must."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shop_lab import samples, trial
from shop_lab.experiments.foreign_inputs.input import Window
from shop_lab.testbed import Testbed
from shop_load.open_loop import Sent

CONNECTIONS = 256
DEADLINE_SECONDS = 60
"""What orders itself sets where a customer names no deadline."""
PATIENCE_SECONDS = 120
"""So long a customer tries to have an order taken."""
RECOVERY_SECONDS = 15.0
"""After a part was kept from its work on purpose: its backlog is done, and pauses between tries are over."""
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Ended:
    """One order that was taken. Times are seconds since the epoch."""

    due: float
    """When its request was due."""
    state: str
    at: float
    """When its end was committed, 0 if it has none."""
    deadline: float

    @property
    def fault(self) -> str:
        """What is wrong with its end, empty if it was confirmed before its deadline."""
        if self.state != "CONFIRMED":
            return self.state
        return "CONFIRMED after its deadline" if self.at > self.deadline else ""

    @property
    def seconds(self) -> float:
        """From its request to its end."""
        return self.at - self.due


@dataclass(frozen=True)
class Ordinary:
    """What came of the ordinary orders of one part of the experiment."""

    orders: Sequence[Ended]
    lost: int = 0
    """Orders that no try could place."""
    failed: int = 0
    """Requests that were answered with 5xx other than 503, or not at all; they were sent again."""
    shed: int = 0
    """Answers that asked to come back later."""

    @property
    def faults(self) -> Counter[str]:
        """What is wrong with an order → how many."""
        found = Counter(order.fault for order in self.orders if order.fault)
        if self.lost:
            found["never taken"] = self.lost
        return found

    def p99(self, without: Sequence[Window] = ()) -> float:
        """Seconds, of the orders that ended and were not due in one of the windows or soon after; 0 of none."""
        seconds = sorted(order.seconds for order in self.outside(without))
        return samples.at(seconds, 0.99) if seconds else 0.0

    def outside(self, windows: Sequence[Window]) -> list[Ended]:
        """The orders that ended and were not due in a window or in RECOVERY_SECONDS after it."""
        return [order for order in self.orders if order.at and not _is_within(order.due, windows)]


def _is_within(moment: float, windows: Sequence[Window]) -> bool:
    return any(window.begin <= moment <= window.end + RECOVERY_SECONDS for window in windows)


@dataclass(frozen=True)
class Placed:
    """Orders that were placed, before their ends are known."""

    first_id: UUID
    sent: Sent


async def place(testbed: Testbed, rate: float, seconds: float) -> Placed:
    """Place `rate` orders a second for so many seconds; returns when each was taken or given up."""
    first = trial.first_id()
    sent = await trial.send(
        testbed,
        max(1, int(rate * seconds)),
        rate,
        f"--connections={CONNECTIONS}",
        f"--deadline={DEADLINE_SECONDS}",
        f"--patience={PATIENCE_SECONDS}",
    )
    return Placed(first, sent)


async def settled(testbed: Testbed, placed: Placed) -> Ordinary:
    """Wait until each order has ended, or its deadline is long over; then read the ends."""
    async with asyncio.timeout(2 * DEADLINE_SECONDS), testbed.database("orders") as database:
        while await database.fetchval(_PENDING, placed.first_id):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
    return await ends(testbed, placed)


async def ends(testbed: Testbed, placed: Placed) -> Ordinary:
    """The ends as they are now."""
    async with testbed.database("orders") as database:
        rows = {row["id"]: row for row in await database.fetch(_ENDS, placed.first_id)}
    sent = placed.sent
    orders = [
        Ended(due, rows[id]["state"], rows[id]["at"], rows[id]["deadline"])
        if id in rows
        else Ended(due, "unknown to orders", 0.0, 0.0)
        for id, due in sent.orders.items()
    ]
    return Ordinary(orders, sent.lost, sent.failed, sent.shed)


_PENDING = "SELECT EXISTS (SELECT FROM orders WHERE id >= $1 AND state = 'PENDING')"
_ENDS = """
    SELECT id::text, state, extract(epoch FROM deadline_at)::float8 AS deadline, CASE WHEN state = 'PENDING' THEN 0
        ELSE extract(epoch FROM coalesce(pg_xact_commit_timestamp(xmin), ended_at)) END::float8 AS at
    FROM orders WHERE id >= $1
"""
