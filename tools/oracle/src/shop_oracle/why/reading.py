"""Reads what the services' databases know about orders, and which session there blocks which."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import asyncpg

from shop_oracle.errors import said_by
from shop_oracle.why.facts import Facts, Intent, Letter, OrderRow, OutboxRow, Trouble
from shop_stack.stack import POSTGRES
from shop_stack.target import Target

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
SECONDS = 8.0
"""Timeout of a connection, and of one statement."""
NEWEST = 200
"""How many of the newest orders are read, in any state."""
MOST = 1_000
"""So many keys of each kind of unfinished work are candidates."""
LOCKED_SECONDS = 1.0
"""A session that waits for a shorter time is not reported: services wait for each other for moments."""


async def each_database(
    target: Target, facts: Facts, read: Callable[[str, Connection], Awaitable[None]]
) -> None:
    """Call `read(service, connection)` for each database. One that does not answer is noted in `facts.databases`."""
    if POSTGRES in facts.parts and "slow" not in facts.parts[POSTGRES].what:
        facts.databases = dict.fromkeys(target.database_urls, facts.parts[POSTGRES])
        return

    async def one(service: str, url: str) -> None:
        try:
            connection: Connection = await asyncpg.connect(url, timeout=SECONDS, command_timeout=SECONDS)
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            facts.databases[service] = _away(service, error)
            return
        try:
            await read(service, connection)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            facts.databases[service] = _away(service, error)
        finally:
            connection.terminate()

    await asyncio.gather(*(one(service, url) for service, url in target.database_urls.items()))


def _away(service: str, error: Exception) -> Trouble:
    return Trouble(
        POSTGRES, f"the database of {service} does not answer ({said_by(error)})", "shop logs postgres"
    )


async def candidates(target: Target, facts: Facts) -> list[str]:
    """The ids of orders with unfinished work, and of the NEWEST orders."""
    found: dict[str, None] = {}

    async def read(service: str, connection: Connection) -> None:
        queries = [*_CANDIDATES_ANYWHERE, *_CANDIDATES.get(service, ())]
        for query in queries:
            found.update(dict.fromkeys(row[0] for row in await connection.fetch(query)))

    await each_database(target, facts, read)
    return list(found)


async def read_databases(target: Target, facts: Facts, orders: Sequence[str]) -> None:
    """Add what the databases know about these orders to `facts`."""

    async def read(service: str, connection: Connection) -> None:
        for row in await connection.fetch(_OUTBOX, list(orders)):
            facts.outbox.append(OutboxRow(service, *row))
        for row in await connection.fetch(_LETTERS, list(orders)):
            facts.letters.append(Letter(service, *row))
        for query in _INTENTS.get(service, ()):
            for row in await connection.fetch(query, list(orders)):
                facts.intents.append(Intent(service, *row))
        if service == "orders":
            rows = await connection.fetch(_ORDERS, list(orders))
            facts.orders = {row[0]: OrderRow(*row) for row in rows}
        if locks := [_lock(service, *row) for row in await connection.fetch(_BLOCKERS, LOCKED_SECONDS)]:
            facts.locks[service] = locks

    await each_database(target, facts, read)


async def read_inboxes(target: Target, facts: Facts) -> None:
    """Add to `facts` which service has handled which of the events."""
    events = [row.event_id for row in facts.outbox]

    async def read(service: str, connection: Connection) -> None:
        facts.inbox |= {(service, row[0]) for row in await connection.fetch(_INBOX, service, events)}

    await each_database(target, facts, read)


def _lock(service: str, pid: int, user: str, waiting: int) -> Trouble:
    noun = "session waits" if waiting == 1 else "sessions wait"
    return Trouble(
        POSTGRES,
        f"{waiting} {noun} in the database of {service} for a lock that session {pid} of {user} holds",
        f"shop end-session {service} {pid}",
    )


UNSENT = """
    o.xid >= pg_snapshot_xmin(c.snapshot) AND NOT pg_visible_in_snapshot(o.xid, c.snapshot)
    AND NOT (c.upper IS NOT NULL AND pg_visible_in_snapshot(o.xid, c.upper) AND o.id <= c.after_id)
"""
"""The condition that the relay has not passed row `o` of the outbox, whose shard has the position `c`."""
_OUTBOX = f"""
    SELECT o.id, o.event_id::text, o.topic, o.key, o.type, o.time, o.data, {UNSENT},
        coalesce(s.state, ''), coalesce(s.error, '')
    FROM outbox AS o JOIN relay_cursor AS c USING (shard) LEFT JOIN outbox_set_aside AS s USING (id)
    WHERE o.key = ANY($1) ORDER BY o.id
"""
_LETTERS = """
    SELECT id, state, reason, topic, partition, "offset", key, coalesce(event_id::text, ''), coalesce(type, '')
    FROM dead_letters WHERE state IN ('HELD', 'WAITING', 'PARKED') AND key = ANY($1) ORDER BY id
"""
_INBOX = "SELECT event_id::text FROM inbox WHERE consumer_group = $1 AND event_id = ANY($2::text[]::uuid[])"
_ORDERS = """
    SELECT id::text, state, coalesce(reason, ''), placed_at, deadline_at FROM orders
    WHERE id = ANY($1::text[]::uuid[])
"""
_INTENTS = {
    "payments": (
        "SELECT 'charge', order_id::text, attempts, due_at, '' FROM payments"
        " WHERE due_at IS NOT NULL AND order_id = ANY($1::text[]::uuid[])",
        "SELECT 'refund', order_id::text, attempts, due_at, '' FROM refunds"
        " WHERE due_at IS NOT NULL AND order_id = ANY($1::text[]::uuid[])",
    ),
    "notifications": (
        "SELECT 'message (' || kind || ')', order_id::text, attempts,"
        " CASE state WHEN 'PENDING' THEN due_at END, coalesce(last_error, '') FROM notifications"
        " WHERE state <> 'SENT' AND order_id = ANY($1::text[]::uuid[])",
    ),
}
_BLOCKERS = """
    WITH waiting AS (
        SELECT DISTINCT l.pid, unnest(pg_blocking_pids(l.pid)) AS blocker
        FROM pg_locks AS l JOIN pg_stat_activity AS w USING (pid)
        WHERE NOT l.granted AND w.datname = current_database() AND l.waitstart < now() - make_interval(secs => $1)
    )
    SELECT blocker, coalesce(b.usename, 'unknown'), count(DISTINCT waiting.pid)
    FROM waiting LEFT JOIN pg_stat_activity AS b ON b.pid = blocker
    WHERE blocker NOT IN (SELECT pid FROM waiting)
    GROUP BY 1, 2 ORDER BY 1
"""
_UUID = "'^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'"
_CANDIDATES_ANYWHERE = (
    f"SELECT o.key FROM outbox AS o JOIN relay_cursor AS c USING (shard) LEFT JOIN outbox_set_aside AS s USING (id)"
    f" WHERE o.key ~ {_UUID} AND ({UNSENT} OR s.state IN ('DELAYED', 'REFUSED')) LIMIT {MOST}",
    f"SELECT key FROM dead_letters WHERE state IN ('HELD', 'WAITING', 'PARKED') AND key ~ {_UUID} LIMIT {MOST}",
)
_CANDIDATES = {
    "orders": (
        f"SELECT id::text FROM orders WHERE state = 'PENDING' ORDER BY placed_at LIMIT {MOST}",
        f"SELECT id::text FROM orders ORDER BY placed_at DESC LIMIT {NEWEST}",
    ),
    "payments": (
        f"SELECT order_id::text FROM payments WHERE due_at IS NOT NULL LIMIT {MOST}",
        f"SELECT order_id::text FROM refunds WHERE due_at IS NOT NULL LIMIT {MOST}",
    ),
    "notifications": (f"SELECT order_id::text FROM notifications WHERE state <> 'SENT' LIMIT {MOST}",),
}
