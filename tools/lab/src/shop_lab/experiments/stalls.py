"""Finds the longest time for which a partition with unread messages was not read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shop_lab.testbed import Testbed
from shop_observe.kafka_log import Entry

Taken = Mapping[tuple[str, str], float]
"""(source, event id) → commit time of the transaction in which a group handled it, seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Stall:
    """A time in which no message of a partition was handled although there were some."""

    seconds: float
    until: str
    """The message that ended it, such as ``orders.order.v1[3]@17``; empty if no message was handled."""
    since: float = 0.0
    """When it began, in seconds since the epoch."""


def longest(entries: Iterable[Entry], taken: Taken) -> Stall:
    """The longest stall of a group. The entries of a partition must be in order.

    A message waits from the time at which it was sent, or at which the message before it was handled, whichever is
    later, until it is handled itself. Messages that the group ignores do not count.
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
    """The events that a service handled, with their times by PostgreSQL's clock, which is that of this machine."""
    async with testbed.database(service) as database:
        rows = await database.fetch(_TAKEN)
    return {(row["source"], row["id"]): row["at"] for row in rows}


_TAKEN = """
    SELECT source, event_id::text AS id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at FROM inbox
"""
