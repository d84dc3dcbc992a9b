"""The messages of a shop without Kafka: the rows of its outboxes, as entries (docs/decisions/0055).

The place of an entry is its shard and its id. Ids of one shard rise in the order of the events of each key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

import asyncpg

from shop_observe.contract import Contract
from shop_observe.kafka_log import Entry, Log
from shop_observe.tail import LogUnreadable
from shop_observe.topics import Topic
from shop_stack.target import Target

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

SECONDS = 10.0
READ_SECONDS = 120.0
SHARDS = 12
"""The number of shards of an outbox."""
FIRST_ID = 1
"""The id of the first row of an outbox."""
COLUMNS = (
    "id, shard, event_id::text, topic, key, type, time, correlation_id, causation_id::text, traceparent, data"
)

_ALL = f"SELECT {COLUMNS} FROM outbox WHERE topic = ANY($1::text[]) ORDER BY id"
_SINCE = f"""
    SELECT now.snapshot, {COLUMNS}
    FROM (SELECT pg_current_snapshot()::text AS snapshot) AS now
    LEFT JOIN outbox ON topic = ANY($1::text[]) AND time >= $2
    ORDER BY id"""
_NEWS = f"""
    SELECT now.snapshot, {COLUMNS}
    FROM (SELECT pg_current_snapshot()::text AS snapshot) AS now
    LEFT JOIN outbox ON topic = ANY($1::text[]) AND xid >= pg_snapshot_xmin($2::text::pg_snapshot)
        AND NOT pg_visible_in_snapshot(xid, $2::text::pg_snapshot)
    ORDER BY id"""


async def read_outboxes(target: Target, topics: Sequence[Topic]) -> Log:
    """All rows that the outboxes hold now of these topics. Raises LogUnreadable if a database does not answer."""
    contract = Contract(target.contracts, topics)
    entries: list[Entry] = []
    gone: dict[str, datetime] = {}
    for owner in sorted({topic.owner for topic in topics}):
        names = [topic.name for topic in topics if topic.owner == owner]
        async with _database(target, owner) as connection:
            entries += [_entry(row, contract) for row in await connection.fetch(_ALL, names)]
            first = await connection.fetchrow("SELECT id, time FROM outbox ORDER BY id LIMIT 1")
        if first is not None and first["id"] > FIRST_ID:
            gone |= dict.fromkeys(names, first["time"])
    entries.sort(key=lambda entry: (entry.topic, entry.partition, entry.offset))
    return Log(entries, gone, dict.fromkeys((topic.name for topic in topics), SHARDS))


async def follow_outboxes(
    target: Target, topics: Sequence[Topic], since: datetime, pause: float = 0.2
) -> AsyncGenerator[list[Entry], None]:
    """The rows since a moment, then new ones as they are committed, in batches; [] after a pause without a row.

    Raises LogUnreadable if a database does not answer.
    """
    contract = Contract(target.contracts, topics)
    names = [topic.name for topic in topics]
    async with AsyncExitStack() as opened:
        owners = sorted({topic.owner for topic in topics})
        databases = [await opened.enter_async_context(_database(target, owner)) for owner in owners]
        # A transaction that commits late is not visible in the snapshot, so its rows are found by the next look.
        snapshots: list[str | None] = [None for _ in databases]
        while True:
            batch: list[Entry] = []
            for number, connection in enumerate(databases):
                before = snapshots[number]
                found = await (
                    connection.fetch(_SINCE, names, since)
                    if before is None
                    else connection.fetch(_NEWS, names, before)
                )
                snapshots[number] = found[0]["snapshot"]
                batch += [_entry(row, contract) for row in found if row["id"] is not None]
            yield batch
            if not batch:
                await asyncio.sleep(pause)


@asynccontextmanager
async def _database(target: Target, service: str) -> AsyncIterator[Connection]:
    """A connection to the database of a service. Raises LogUnreadable if it does not answer, also in the context."""
    try:
        url = target.database_urls[service]
        connection: Connection = await asyncpg.connect(url, timeout=SECONDS, command_timeout=READ_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise _unreadable(service, error) from None
    try:
        yield connection
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _unreadable(service, error) from None
    finally:
        connection.terminate()


def _unreadable(service: str, error: Exception) -> LogUnreadable:
    why = str(error) or type(error).__name__
    return LogUnreadable(
        f"The outbox of {service} cannot be read ({why}): is the shop up? See `shop status`."
    )


def _entry(row: asyncpg.Record, contract: Contract) -> Entry:
    topic: str = row["topic"]
    entry = Entry(
        topic=topic,
        partition=row["shard"],
        offset=row["id"],
        sent_ms=int(row["time"].timestamp() * 1000),
        key=row["key"],
        id=row["event_id"],
        source=f"/{topic.partition('.')[0]}",
        type=row["type"],
        correlation_id=row["correlation_id"],
        causation_id=row["causation_id"] or "",
        traceparent=row["traceparent"] or "",
        decided_at=row["time"].isoformat(),
        value=row["data"].encode(),
        subject=row["key"],
    )
    fault = contract.fault_of(entry)
    return replace(entry, fault=fault) if fault else entry
