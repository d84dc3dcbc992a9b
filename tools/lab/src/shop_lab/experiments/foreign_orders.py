"""Ordinary orders: how long each took from its request to its end, and which did not end as expected."""

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
"""The deadline that orders sets by default."""
PATIENCE_SECONDS = 120
"""Seconds for which a customer repeats the request of an order."""
RECOVERY_SECONDS = 15.0
"""Seconds after a disturbance in which the disturbed part processes its backlog, and its retry pauses end."""
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Ended:
    """One order that was accepted. Times are seconds since the epoch."""

    due: float
    """When its request was due."""
    state: str
    at: float
    """When its end was committed; 0 if it has not ended."""
    deadline: float

    @property
    def fault(self) -> str:
        """The fault of its end; empty if it was confirmed before its deadline."""
        if self.state != "CONFIRMED":
            return self.state
        return "CONFIRMED after its deadline" if self.at > self.deadline else ""

    @property
    def seconds(self) -> float:
        """Seconds from its request to its end."""
        return self.at - self.due


@dataclass(frozen=True)
class Ordinary:
    """The ordinary orders of one part of the experiment."""

    orders: Sequence[Ended]
    lost: int = 0
    """Orders that could not be placed by any attempt."""
    failed: int = 0
    """Requests without an answer, or with 5xx other than 503. They were repeated."""
    shed: int = 0
    """Answers 429 and 503."""

    @property
    def faults(self) -> Counter[str]:
        """Fault of an order → number of orders."""
        found = Counter(order.fault for order in self.orders if order.fault)
        if self.lost:
            found["never taken"] = self.lost
        return found

    def p99(self, without: Sequence[Window] = ()) -> float:
        """The p99 in seconds of `outside(without)`; 0 if there are no such orders."""
        seconds = sorted(order.seconds for order in self.outside(without))
        return samples.at(seconds, 0.99) if seconds else 0.0

    def outside(self, windows: Sequence[Window]) -> list[Ended]:
        """The orders that ended, and were not due in a window or within RECOVERY_SECONDS after it."""
        return [order for order in self.orders if order.at and not _is_within(order.due, windows)]


def _is_within(moment: float, windows: Sequence[Window]) -> bool:
    return any(window.begin <= moment <= window.end + RECOVERY_SECONDS for window in windows)


@dataclass(frozen=True)
class Placed:
    """Orders that were placed and may not have ended yet."""

    first_id: UUID
    sent: Sent


async def place(testbed: Testbed, rate: float, seconds: float) -> Placed:
    """Place `rate` orders per second for `seconds` seconds. Returns when each was accepted or given up."""
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
    """Wait until each order has ended; then read the ends. Raises TimeoutError after twice the deadline."""
    async with asyncio.timeout(2 * DEADLINE_SECONDS), testbed.database("orders") as database:
        while await database.fetchval(_PENDING, placed.first_id):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
    return await ends(testbed, placed)


async def ends(testbed: Testbed, placed: Placed) -> Ordinary:
    """Read the present ends of the orders."""
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
