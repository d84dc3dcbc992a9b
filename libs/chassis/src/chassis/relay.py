"""The relay: takes rows out of the outbox, in order, and hands them to the transport.

What was sent is remembered as a PostgreSQL snapshot, not as a highest id. A sequence hands out ids before transactions
commit, so a cursor over ids skips whatever commits late. Unseen are exactly the rows whose transaction the saved
snapshot could not see: `xid >= xmax`, or `xid` among those then in progress. Both are index ranges, and neither grows
while some transaction stays open. Rows of one key are in the order of their ids, because whoever writes them holds the
lock on their aggregate.

The outbox has `SHARDS` parts. The relays of all replicas share them by leases: a relay that dies stops renewing, and
within LEASE_SECONDS + RENEW_SECONDS the others take its parts.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg
import structlog

from chassis.database import CONNECT_SECONDS, SERVER_SETTINGS
from chassis.outbox import CHANNEL, SHARDS, OutboxRow

log = structlog.get_logger()

LEASE_SECONDS = 6.0
RENEW_SECONDS = 2.0
PAGE = 2_000

Send = Callable[[Sequence[OutboxRow]], Awaitable[None]]
"""Sends rows in order and returns when all are durable; raises if it cannot say so of every one."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far one shard was sent: all that `snapshot` sees, and of what `upper` sees all up to `after_id`."""

    snapshot: str
    upper: str | None = None
    after_id: int = 0


@dataclass(slots=True)
class Relay:
    """One process's relay. `run()` works until it is cancelled; `wake()` tells it that rows were written here."""

    url: str
    send: Send
    poll_seconds: float = 2.0
    page: int = PAGE
    owner: UUID = field(default_factory=uuid4)
    cursors: dict[int, Cursor] = field(default_factory=dict)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def owns_everything(self) -> bool:
        """Whether no other process has to be told of new rows."""
        return len(self.cursors) == SHARDS

    def wake(self) -> None:
        """Look for rows now rather than at the next poll."""
        self._woken.set()

    async def run(self) -> None:
        """Relay until cancelled. Raises when the database or the transport is away: call it again."""
        connection = await asyncpg.connect(self.url, timeout=CONNECT_SECONDS, server_settings=SERVER_SETTINGS)
        try:
            # A cursor lost in a crash means duplicates. A sequential scan looks cheap without statistics; it never is.
            await connection.execute("SET synchronous_commit = off; SET enable_seqscan = off")
            await connection.add_listener(CHANNEL, lambda *_: self.wake())
            await self._work(connection)
        finally:
            self.cursors = {}
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._leave(connection), 1.0)
            connection.terminate()

    async def _work(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        loop = asyncio.get_running_loop()
        renew_at = 0.0
        while True:
            if loop.time() >= renew_at:
                await self._renew(connection)
                renew_at = loop.time() + RENEW_SECONDS
            self._woken.clear()
            if not await self.relay_once(connection):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self.poll_seconds)

    async def relay_once(self, connection: "asyncpg.Connection[asyncpg.Record]") -> int:
        """Send one page of each group of shards that stand at the same cursor; returns how many rows were sent."""
        groups: dict[Cursor, list[int]] = defaultdict(list)
        for shard, cursor in self.cursors.items():
            groups[cursor].append(shard)
        return sum([await self._relay(connection, shards, cursor) for cursor, shards in groups.items()])

    async def _relay(
        self, connection: "asyncpg.Connection[asyncpg.Record]", shards: list[int], cursor: Cursor
    ) -> int:
        records = await connection.fetch(
            _UNSEEN, shards, cursor.snapshot, cursor.upper, cursor.after_id, self.page
        )
        if not records and cursor.upper is None:
            return 0
        if records:
            await self.send([_row(record) for record in records])
        await self._advance(connection, shards, self._next(cursor, records))
        return max(
            len(records), 1
        )  # the end of a paged window is progress too: what came since is still unseen

    def _next(self, cursor: Cursor, records: "Sequence[asyncpg.Record]") -> Cursor:
        upper = cursor.upper or records[0]["now"]
        if len(records) < self.page:
            return Cursor(upper)
        return replace(cursor, upper=upper, after_id=records[-1]["id"])

    async def _advance(
        self, connection: "asyncpg.Connection[asyncpg.Record]", shards: list[int], cursor: Cursor
    ) -> None:
        kept = await connection.fetch(
            "UPDATE relay_cursor SET snapshot = $1::text::pg_snapshot, upper = $2::text::pg_snapshot, after_id = $3"
            " WHERE owner = $4 AND shard = ANY($5::smallint[]) RETURNING shard",
            cursor.snapshot,
            cursor.upper,
            cursor.after_id,
            self.owner,
            shards,
        )
        still_mine = {record["shard"] for record in kept}
        for shard in shards:
            if shard in still_mine:
                self.cursors[shard] = cursor
            else:
                self.cursors.pop(shard, None)

    async def _renew(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Renew this relay's leases, give up what is more than its share, take what nobody holds."""
        records = await connection.fetch(_RENEW, self.owner, LEASE_SECONDS, SHARDS)
        mine = {r["shard"]: Cursor(r["snapshot"], r["upper"], r["after_id"]) for r in records}
        if mine.keys() != self.cursors.keys():
            log.info("relay shards", shards=sorted(mine))
        self.cursors = mine

    async def _leave(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        await connection.execute(
            "UPDATE relay_cursor SET owner = NULL, lease_until = NULL WHERE owner = $1", self.owner
        )
        await connection.execute("DELETE FROM relay_member WHERE owner = $1", self.owner)


def _row(record: "asyncpg.Record") -> OutboxRow:
    _, _, *columns = record.values()
    event_id, topic, key, type_, time, correlation_id, causation_id, traceparent, data = columns
    assert isinstance(time, datetime)
    return OutboxRow(event_id, topic, key, type_, time, correlation_id, causation_id, traceparent, data)


# pg_current_snapshot() is the statement's own snapshot, so "now" is exactly what this page was read from.
# `id + 0` keeps the planner from walking the primary key through all that was sent long ago.
_UNSEEN = """
    WITH unseen AS (
        SELECT * FROM outbox
        WHERE shard = ANY($1::smallint[]) AND xid >= pg_snapshot_xmax($2::text::pg_snapshot)
        UNION ALL
        SELECT * FROM outbox
        WHERE shard = ANY($1::smallint[]) AND xid = ANY(ARRAY(SELECT pg_snapshot_xip($2::text::pg_snapshot)))
    )
    SELECT id, pg_current_snapshot()::text AS now,
           event_id, topic, key, type, time, correlation_id, causation_id, traceparent, data
    FROM unseen
    WHERE $3::text IS NULL OR (id > $4 AND pg_visible_in_snapshot(xid, $3::text::pg_snapshot))
    ORDER BY id + 0
    LIMIT $5
"""

# One statement, so that two relays that renew at once cannot take the same shard: the row locks decide, and the
# UPDATE looks at each row again. A relay keeps at most its fair share: all shards through the living members.
# A snapshot from the future means that the tables were restored into a younger cluster: send everything again.
_RENEW = """
    WITH me AS (
        INSERT INTO relay_member VALUES ($1, now() + make_interval(secs => $2))
        ON CONFLICT (owner) DO UPDATE SET seen_until = excluded.seen_until
    ), members AS (
        SELECT count(*) FILTER (WHERE owner <> $1) + 1 AS n FROM relay_member WHERE seen_until > now()
    ), candidates AS (
        SELECT shard, row_number() OVER (ORDER BY (owner IS NOT DISTINCT FROM $1) DESC, shard) AS place
        FROM relay_cursor
        WHERE owner = $1 OR owner IS NULL OR lease_until < now()
    ), locked AS (
        SELECT c.shard, candidates.place <= ceil($3 / members.n::numeric) AS keep,
               pg_snapshot_xmax(c.snapshot) > pg_snapshot_xmax(pg_current_snapshot()) AS from_the_future
        FROM relay_cursor c JOIN candidates USING (shard) CROSS JOIN members
        ORDER BY c.shard
        FOR UPDATE OF c SKIP LOCKED
    ), changed AS (
        UPDATE relay_cursor c
        SET owner = CASE WHEN keep THEN $1 END,
            lease_until = CASE WHEN keep THEN now() + make_interval(secs => $2) END,
            snapshot = CASE WHEN from_the_future THEN '3:3:' ELSE c.snapshot END,
            upper = CASE WHEN from_the_future THEN NULL ELSE c.upper END
        FROM locked
        WHERE c.shard = locked.shard AND (c.owner IS NULL OR c.owner = $1 OR c.lease_until < now())
          AND (keep OR c.owner = $1)
        RETURNING c.shard, c.snapshot::text, c.upper::text, c.after_id, c.owner
    )
    SELECT shard, snapshot, upper, after_id FROM changed WHERE owner = $1
"""
