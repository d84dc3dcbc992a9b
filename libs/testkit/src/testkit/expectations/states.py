"""Provider states of the management API, which each service has in the same form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg

from testkit.databases import TestDatabase
from testkit.expectations.provider_server import State

LETTER = """
    INSERT INTO dead_letters (id, consumer_group, topic, partition, "offset", key, type, headers, value, state, reason,
                              error, fingerprint)
    OVERRIDING SYSTEM VALUE
    VALUES ($1, 'test', 'test.topic.v1', 0, $1, $2, 'test.event.v1', '{"ce_type": "test.event.v1"}', 'x', 'PARKED',
            'no-headers', 'no event', 'f')
    ON CONFLICT (id) DO UPDATE SET state = 'PARKED', ended_at = NULL
"""
OUTBOX = """
    INSERT INTO outbox (id, shard, event_id, topic, key, type, time, correlation_id, data)
    OVERRIDING SYSTEM VALUE
    VALUES ($1, 0, gen_random_uuid(), 'test.topic.v1', $2, 'test.event.v1', now(), $2, '{}')
    ON CONFLICT DO NOTHING
"""
SET_ASIDE = """
    INSERT INTO outbox_set_aside (id, shard, topic, key, state, error)
    VALUES ($1, 0, 'test.topic.v1', $2, 'REFUSED', 'too large')
    ON CONFLICT (id) DO UPDATE SET state = 'REFUSED', ended_at = NULL
"""


def management_states(database: TestDatabase) -> Mapping[str, State]:
    """A dead letter and a row that is set aside, with the id and the key that a client names."""

    async def there_is_a_letter(asked: Mapping[str, Any]) -> None:
        await _execute(database, (LETTER,), asked)

    async def there_is_a_refused_row(asked: Mapping[str, Any]) -> None:
        await _execute(database, (OUTBOX, SET_ASIDE), asked)

    return {
        "there is an open dead letter": there_is_a_letter,
        "there is a refused row": there_is_a_refused_row,
    }


async def _execute(database: TestDatabase, statements: tuple[str, ...], asked: Mapping[str, Any]) -> None:
    connection = await asyncpg.connect(database.owner_url)
    try:
        for statement in statements:
            await connection.execute(statement, asked["id"], asked["key"])
    finally:
        await connection.close()
