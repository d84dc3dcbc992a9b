"""Messages in the services' databases: events that an outbox has not sent yet, and open dead letters."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg

from shop_contracts.answer.stored import Groups, Headers, Message
from shop_stack.errors import UserError
from shop_stack.target import Target

READ_SECONDS = 60.0

UNSENT = """
    WITH unsent AS (
        SELECT o.id FROM relay_cursor AS c JOIN outbox AS o USING (shard)
        WHERE o.xid >= pg_snapshot_xmin(c.snapshot) AND NOT pg_visible_in_snapshot(o.xid, c.snapshot)
        UNION
        SELECT id FROM outbox_set_aside WHERE state <> 'GIVEN_UP'
    )
    SELECT id, event_id::text, topic, key, type, time, correlation_id, causation_id::text, traceparent, data
    FROM unsent JOIN outbox USING (id) WHERE topic = ANY($1::text[])
"""
"""The rows that the relay still sends: those that it has not come to, and those that it has set aside."""
LETTERS = """
    SELECT id, topic, partition, "offset", key, headers::text, value, created_at
    FROM dead_letters WHERE state IN ('HELD', 'WAITING', 'PARKED') ORDER BY id
"""


async def add_outbox(groups: Groups, target: Target, owner: str, topics: Sequence[str]) -> None:
    """Add the events on these topics that the outbox of `owner` has not sent yet. Raises UserError."""
    async for row in _rows(target, owner, UNSENT, list(topics)):
        headers = headers_of(owner, row)
        place = f"row {row['id']} of the outbox of {owner}"
        sent_ms = int(row["time"].timestamp() * 1000)
        key = row["key"].encode()
        value = row["data"].encode()
        message = Message(place, row["topic"], 0, row["id"], key, value, headers, sent_ms)
        groups.add(f"outbox of {owner}", message)


def headers_of(owner: str, row: Any) -> Headers:
    """The headers with which the relay would send a row."""
    name, _, version = row["type"].rpartition(".")
    values = {
        "ce_specversion": "1.0",
        "ce_id": row["event_id"],
        "ce_source": f"/{owner}",
        "ce_type": row["type"],
        "ce_time": row["time"].isoformat(),
        "ce_subject": row["key"],
        "ce_dataschema": f"urn:shopfloor:schema:{name}:{version}",
        "content-type": "application/json",
        "ce_correlationid": row["correlation_id"],
        "ce_causationid": row["causation_id"],
        "traceparent": row["traceparent"],
    }
    return tuple((name, value.encode()) for name, value in values.items() if value is not None)


async def add_letters(groups: Groups, target: Target, service: str) -> None:
    """Add the open dead letters of a service: an operator may redrive them with the release. Raises UserError."""
    async for row in _rows(target, service, LETTERS):
        headers = tuple((name, value.encode()) for name, value in json.loads(row["headers"]).items())
        place = f"dead letter {row['id']}, {row['topic']}[{row['partition']}]@{row['offset']}"
        sent_ms = int(row["created_at"].timestamp() * 1000)
        key = row["key"].encode()
        message = Message(
            place, row["topic"], row["partition"], row["offset"], key, row["value"], headers, sent_ms
        )
        groups.add("dead letters", message)


async def _rows(target: Target, service: str, query: str, *values: Any) -> AsyncIterator[Any]:
    """The rows of a query on the database of a service, a few at a time."""
    try:
        connection = await asyncpg.connect(
            target.database_urls[service], timeout=10, command_timeout=READ_SECONDS
        )
        try:
            async with connection.transaction(readonly=True):
                async for row in connection.cursor(query, *values, prefetch=1_000):
                    yield row
        finally:
            connection.terminate()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise UserError(
            f"The database of {service} cannot be read ({type(error).__name__}: {error}): see `shop status` and "
            "`shop logs postgres`."
        ) from None
