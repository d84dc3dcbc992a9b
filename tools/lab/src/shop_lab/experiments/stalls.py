"""How long a partition that had something to read stood still."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shop_lab.testbed import Testbed
from shop_observe.kafka_log import Entry

Taken = Mapping[tuple[str, str], float]
"""(source, event id) → when a group's transaction with it was committed, seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Stall:
    """A time in which nothing was taken from a partition although there was something."""

    seconds: float
    until: str
    """The message that ended it, such as ``orders.order.v1[3]@17``; empty if nothing was taken at all."""
    since: float = 0.0
    """When it began, in seconds since the epoch."""


def longest(entries: Iterable[Entry], taken: Taken) -> Stall:
    """The longest stall of a group. `entries` stand in the order of their partitions.

    A message is waited for from when it was sent, or the one before it was taken, whichever is later, until it is
    taken itself. Messages that the group did not take (ignored types) count for nothing.
    """
    found = Stall(0.0, "")
    latest: dict[tuple[str, int], float] = {}
    for entry in entries:
        if (at := taken.get((entry.source, entry.id))) is None:
            continue
        partition = entry.topic, entry.partition
        since = max(entry.sent_ms / 1000, latest.get(partition, 0.0))
        if at - since > found.seconds or not found.until:
            found = Stall(at - since, entry.place, since)
        latest[partition] = max(at, latest.get(partition, 0.0))
    return found


async def taken_by(testbed: Testbed, service: str) -> Taken:
    """What a service took, and when, by PostgreSQL's clock, which is this machine's."""
    async with testbed.database(service) as database:
        rows = await database.fetch(_TAKEN)
    return {(row["source"], row["id"]): row["at"] for row in rows}


_TAKEN = """
    SELECT source, event_id::text AS id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at FROM inbox
"""
