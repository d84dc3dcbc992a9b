"""The outbox of a restored database: the rows that Kafka has are sent ones, and all others are still to be sent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeAlias
from uuid import UUID

import asyncpg
from aiokafka.partitioner import murmur2

from shop_observe.kafka_log import Entry
from shop_oracle.why.reading import UNSENT

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def add_sent_rows(connection: Connection, entries: Sequence[Entry]) -> None:
    """Write events that Kafka has into the outbox, with the ids that they have there."""
    shards = await connection.fetchval("SELECT count(*) FROM relay_cursor")
    await connection.executemany(_ADD, [_row_of(entry, shards) for entry in entries])


async def mark_sent(connection: Connection, sent: Collection[str]) -> int:
    """Have the relay send only those rows that were unsent at the time of the database and that Kafka does not have.

    `sent` are the ids of the service's events on Kafka. Returns how many rows are to be sent. Call it outside of a
    transaction: the relay knows by the ids of transactions what it has sent.
    """
    unsent = [id for id, event_id in await connection.fetch(_UNSENT_ROWS) if event_id not in sent]
    # Everything that is committed by now is sent. The rows of the next transaction are not.
    await connection.execute(_PASS_ALL)
    await connection.execute(_SEND, unsent)
    await connection.execute(_NOT_ASIDE, [UUID(event_id) for event_id in sent])
    return len(unsent)


async def never_sent(connection: Connection, sent: Collection[str]) -> list[tuple[str, str]]:
    """(key, type) of each row of a database that is unsent, and that Kafka does not have."""
    rows = await connection.fetch(_NEVER_SENT)
    return [(key, type_) for event_id, key, type_ in rows if event_id not in sent]


def _row_of(entry: Entry, shards: int) -> tuple[object, ...]:
    return (
        (murmur2(entry.key.encode()) & 0x7FFF_FFFF) % shards,
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
_FROM_UNSENT = f"""
    FROM outbox AS o JOIN relay_cursor AS c USING (shard) LEFT JOIN outbox_set_aside AS s USING (id)
    WHERE s.id IS NULL AND {UNSENT}
"""
_UNSENT_ROWS = f"SELECT o.id, o.event_id::text {_FROM_UNSENT} ORDER BY o.id"
_NEVER_SENT = f"SELECT o.event_id::text, o.key, o.type {_FROM_UNSENT} ORDER BY o.id"
_PASS_ALL = """
    UPDATE relay_cursor
    SET snapshot = pg_current_snapshot(), upper = NULL, after_id = 0, owner = NULL, lease_until = NULL
"""
_SEND = "UPDATE outbox SET xid = pg_current_xact_id() WHERE id = ANY($1::bigint[])"
_NOT_ASIDE = """
    DELETE FROM outbox_set_aside AS s USING outbox AS o
    WHERE o.id = s.id AND s.state <> 'GIVEN_UP' AND o.event_id = ANY($1::uuid[])
"""
