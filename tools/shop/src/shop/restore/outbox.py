"""The outbox of a restored database: the rows that Kafka has are sent ones, and all others are still to be sent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from shop_observe.kafka_log import Entry
from shop_observe.topics import partition_of
from shop_oracle.why.reading import UNSENT

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def add_rows(connection: Connection, entries: Sequence[Entry]) -> None:
    """Write events into the outbox, with the ids that they have already."""
    shards = await connection.fetchval("SELECT count(*) FROM relay_cursor")
    await connection.executemany(_ADD, [_row_of(entry, shards) for entry in entries])


async def divide(connection: Connection, sent: Collection[str], unsent: Sequence[Entry]) -> int:
    """Have the relay send those rows that Kafka does not have, and no others.

    `sent` are the ids of the service's events on Kafka. `unsent` are events that are neither on Kafka nor in the table.
    Returns how many rows are to be sent. Call it outside of a transaction: the relay knows by the ids of transactions
    what it has sent.
    """
    rows = [id for id, event_id in await connection.fetch(_UNSENT_ROWS) if event_id not in sent]
    # Everything that is committed by now is sent. The rows of later transactions are not.
    await connection.execute(_PASS_ALL)
    await connection.execute(_SEND, rows)
    await add_rows(connection, unsent)
    await connection.execute(_NOT_ASIDE, [UUID(event_id) for event_id in sent])
    return len(rows) + len(unsent)


async def unsent_events(connection: Connection, service: str, sent: Collection[str]) -> list[Entry]:
    """The events of a database that are not on Kafka: those that are unsent, or set aside and not given up."""
    rows = await connection.fetch(_UNSENT_EVENTS)
    return [_entry_of(service, *row) for row in rows if row["event_id"] not in sent]


def _entry_of(service: str, id: int, event_id: str, *row: Any) -> Entry:
    topic, key, type_, at, correlation_id, causation_id, traceparent, data = row
    return Entry(
        topic=topic,
        partition=0,
        offset=id,
        sent_ms=0,
        key=key,
        id=event_id,
        source=f"/{service}",
        type=type_,
        correlation_id=correlation_id,
        causation_id=causation_id,
        traceparent=traceparent,
        decided_at=at.isoformat(),
        value=data.encode(),
    )


def _row_of(entry: Entry, shards: int) -> tuple[object, ...]:
    return (
        partition_of(entry.key.encode(), shards),
        UUID(entry.id),
        entry.topic,
        entry.key,
        entry.type,
        entry.moment,
        entry.correlation_id,
        UUID(entry.causation_id) if entry.causation_id else None,
        entry.traceparent or None,
        entry.value.decode(),
    )


_ADD = """
    INSERT INTO outbox (shard, event_id, topic, key, type, time, correlation_id, causation_id, traceparent, data)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_JOINED = """
    FROM outbox AS o JOIN relay_cursor AS c USING (shard) LEFT JOIN outbox_set_aside AS s USING (id)
"""
_UNSENT_ROWS = f"SELECT o.id, o.event_id::text {_JOINED} WHERE s.id IS NULL AND {UNSENT} ORDER BY o.id"
_UNSENT_EVENTS = f"""
    SELECT o.id, o.event_id::text, o.topic, o.key, o.type, o.time, o.correlation_id,
           coalesce(o.causation_id::text, ''), coalesce(o.traceparent, ''), o.data
    {_JOINED}
    WHERE s.state IN ('DELAYED', 'REFUSED') OR s.id IS NULL AND {UNSENT}
    ORDER BY o.id
"""
_PASS_ALL = """
    UPDATE relay_cursor
    SET snapshot = pg_current_snapshot(), upper = NULL, after_id = 0, owner = NULL, lease_until = NULL
"""
_SEND = "UPDATE outbox SET xid = pg_current_xact_id() WHERE id = ANY($1::bigint[])"
_NOT_ASIDE = """
    DELETE FROM outbox_set_aside AS s USING outbox AS o
    WHERE o.id = s.id AND s.state <> 'GIVEN_UP' AND o.event_id = ANY($1::uuid[])
"""
