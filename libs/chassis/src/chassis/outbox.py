"""The transactional outbox: events are rows of the transaction that they tell of.

The table is append-only. Nothing is updated or deleted when a row is sent, so a transaction that stays open for long
bloats nothing; the relay remembers what it has seen as a PostgreSQL snapshot (see relay.py).
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.envelope import Cause, PublishedEvent, new_id

SHARDS = 8
"""Into how many parts the relays of a service's replicas divide the outbox. A key always falls into one shard."""

CHANNEL = "chassis_outbox"
"""The NOTIFY channel that tells relays in other processes of new rows."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One event on its way out."""

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
    """The outbox row of an event that is published because of `cause`."""
    return OutboxRow(
        event_id=new_id(),
        topic=event.topic,
        key=event.subject,
        type=event.event_type,
        time=datetime.now(UTC),
        correlation_id=cause.correlation_id,
        causation_id=cause.event_id,
        traceparent=cause.traceparent,
        data=event.model_dump_json(),
    )


def shard_of(key: str) -> int:
    """The shard of a key, the same in every process and release."""
    return zlib.crc32(key.encode()) % SHARDS


# ORDER BY ordinality: ids are given in the order in which the handler published, which is a key's order on the topic.
_WRITE = text(
    """
    INSERT INTO outbox (shard, event_id, topic, key, type, time, correlation_id, causation_id, traceparent, data)
    SELECT shard, event_id, topic, key, type, time, correlation_id, causation_id, traceparent, data
    FROM unnest(
        CAST(:shards AS smallint[]), CAST(:ids AS uuid[]), CAST(:topics AS text[]), CAST(:keys AS text[]),
        CAST(:types AS text[]), CAST(:times AS timestamptz[]), CAST(:correlations AS text[]),
        CAST(:causations AS uuid[]), CAST(:traceparents AS text[]), CAST(:data AS text[])
    ) WITH ORDINALITY AS
        r(shard, event_id, topic, key, type, time, correlation_id, causation_id, traceparent, data, position)
    ORDER BY position
    """
)


async def write(connection: AsyncConnection, rows: Sequence[OutboxRow]) -> None:
    """Write rows in one statement, however many they are."""
    if not rows:
        return
    await connection.execute(
        _WRITE,
        {
            "shards": [shard_of(row.key) for row in rows],
            "ids": [row.event_id for row in rows],
            "topics": [row.topic for row in rows],
            "keys": [row.key for row in rows],
            "types": [row.type for row in rows],
            "times": [row.time for row in rows],
            "correlations": [row.correlation_id for row in rows],
            "causations": [row.causation_id for row in rows],
            "traceparents": [row.traceparent for row in rows],
            "data": [row.data for row in rows],
        },
    )
