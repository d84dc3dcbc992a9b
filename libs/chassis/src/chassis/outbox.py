"""The transactional outbox: events are rows of the transaction that they tell of.

The table is append-only. Nothing is updated or deleted when a row is sent, so a transaction that stays open for long
bloats nothing; the relay remembers what it has seen as a PostgreSQL snapshot (see relay.py).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from aiokafka.partitioner import murmur2

from chassis import sql
from chassis.connection import Connection
from chassis.envelope import Cause, PublishedEvent, new_id

SHARDS = 12
"""Into how many parts the relays of a service's replicas divide the outbox. A key always falls into one shard: for a
topic of twelve partitions it is the partition's number, so that who consumes a key relays it (docs/decisions/0014)."""

CHANNEL = "chassis_outbox"
"""The NOTIFY channel that tells relays in other processes in which shards there are new rows."""


LARGEST_EVENT = 240_000
"""Characters, of four bytes at most: Kafka takes a megabyte. A row that it never takes would hold up all others."""


Answer = Mapping[str, Any]
NO_ANSWER: Answer = {"answered_key": None, "status": None, "body": None, "headers": None}
"""What the answer for an Idempotency-Key is written from (see idempotency.py)."""


class OutboxRow(NamedTuple):
    """One event on its way out."""

    shard: int
    event_id: UUID
    topic: str
    key: str
    type: str
    time: datetime
    correlation_id: str
    causation_id: UUID | None
    traceparent: str | None
    data: str


def row_of(event: PublishedEvent, cause: Cause) -> OutboxRow:
    """The outbox row of an event that is published because of `cause`. Raises ValueError if it is too large."""
    data = event.model_dump_json()
    if len(data) > LARGEST_EVENT:
        raise ValueError(f"{event.event_type} of {len(data)} characters is too large for Kafka")
    return new_row(event.topic, event.subject, event.event_type, cause, data)


def new_row(topic: str, key: str, type: str, cause: Cause, data: str) -> OutboxRow:
    """A row of this moment, with an id of its own."""
    why = (cause.correlation_id, cause.event_id, cause.traceparent)
    return OutboxRow(shard_of(key), new_id(), topic, key, type, datetime.now(UTC), *why, data)


def shard_of(key: str) -> int:
    """The shard of a key, the same in every process of a release."""
    return hash_of(key.encode()) % SHARDS


@lru_cache(maxsize=2_000)
def hash_of(key: bytes) -> int:
    """Kafka's hash of a key: modulo the partitions of a topic it is the key's partition."""
    return int(murmur2(key)) & 0x7FFF_FFFF


async def write(connection: Connection, rows: Sequence[OutboxRow], answer: Answer = NO_ANSWER) -> None:
    """Write rows in one statement, however many they are, and with them the answer of a request that may come again."""
    if not rows and answer is NO_ANSWER:
        return
    columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in OutboxRow._fields}
    await connection.execute(sql.statement("write_outbox"), {**columns, **answer})
