"""The relay: takes rows out of the outbox, in order, and hands them to the transport.

What was sent is remembered as a PostgreSQL snapshot, not as a highest id. A sequence hands out ids before transactions
commit, so a cursor over ids skips whatever commits late. Unseen are exactly the rows whose transaction the saved
snapshot could not see: `xid >= xmax`, or `xid` among those then in progress. Both are index ranges, and neither grows
while some transaction stays open. Rows of one key are in the order of their ids, because whoever writes them holds the
lock on their aggregate.

The outbox has `SHARDS` parts. The relays of all replicas share them by leases: a relay that dies stops renewing, and
within LEASE_SECONDS + RENEW_SECONDS and a poll the others take its parts.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg
import structlog

from chassis import sql
from chassis.connection import CONNECT_SECONDS, SERVER_SETTINGS, Driver
from chassis.outbox import CHANNEL, SHARDS, OutboxRow

log = structlog.get_logger()

LEASE_SECONDS, RENEW_SECONDS = 6.0, 2.0
# A cursor lost in a crash means duplicates, no loss. Without statistics, scans out of the index's order look cheap.
OFF = ("synchronous_commit", "enable_seqscan", "enable_bitmapscan")
SESSION = SERVER_SETTINGS | dict.fromkeys(OFF, "off")

Send = Callable[[Sequence[OutboxRow]], Awaitable[None]]
"""Sends rows in order and returns when all are durable; raises if it cannot say so of every one."""


class Cursor(NamedTuple):
    """How far one shard was sent: all that `snapshot` sees, and of what `upper` sees all up to `after_id`."""

    snapshot: str
    upper: str | None = None
    after_id: int = 0


@dataclass(slots=True)
class Relay:
    """One process's relay. `run()` works until it is cancelled; `wake()` tells it of new rows."""

    url: str
    send: Send
    poll_seconds: float = 2.0
    page: int = 2_000
    owner: UUID = field(default_factory=uuid4)
    cursors: dict[int, Cursor] = field(default_factory=dict)
    _rows: dict[int, tuple[int, int]] = field(default_factory=dict)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self, shards: Collection[int]) -> None:
        """Look for rows now rather than at the next poll, if these shards are its own; of none, it is not known."""
        if not shards or not self.cursors.keys().isdisjoint(shards):
            self._woken.set()

    async def run(self) -> None:
        """Relay until cancelled. Raises when the database or the transport is away: call it again."""
        connection = await asyncpg.connect(self.url, timeout=CONNECT_SECONDS, server_settings=SESSION)
        try:
            await connection.execute(sql.read("adopt_restored_rows"), list(range(SHARDS)))
            await connection.add_listener(CHANNEL, lambda *heard: self.wake([*map(int, heard[-1].split())]))
            await self._work(connection)
        finally:
            self.cursors = {}
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.execute(sql.read("leave_shards"), self.owner), 1.0)
            connection.terminate()

    async def _work(self, connection: Driver) -> None:
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

    async def relay_once(self, connection: Driver) -> bool:
        """Send one page of each group of shards that stand at the same cursor; returns whether there may be more.

        What commits meanwhile is not meant: it wakes this relay by itself.
        """
        groups: dict[Cursor, list[int]] = defaultdict(list)
        for shard, cursor in self.cursors.items():
            groups[cursor].append(shard)
        return any([await self._relay(connection, shards, cursor) for cursor, shards in groups.items()])

    async def _relay(self, connection: Driver, shards: list[int], cursor: Cursor) -> bool:
        records = await connection.fetch(sql.read("unseen_rows"), shards, *cursor, self.page)
        if not records and cursor.upper is None:
            return False
        if records:
            await self.send([OutboxRow(*row) for _, _, *row in records])
        upper, whole = cursor.upper or records[0]["now"], len(records) < self.page
        reached = Cursor(upper) if whole else Cursor(cursor.snapshot, upper, records[-1]["id"])
        await self._advance(connection, shards, reached)
        # What came while a window was being paged was not looked for.
        return not whole or cursor.upper is not None

    async def _advance(self, connection: Driver, shards: list[int], cursor: Cursor) -> None:
        rows = [self._rows[shard] for shard in shards]
        kept = await connection.fetch(sql.read("advance_cursor"), *cursor, self.owner, shards, rows)
        self._rows |= {record["shard"]: record["ctid"] for record in kept}
        others = {shard: at for shard, at in self.cursors.items() if shard not in shards}
        self.cursors = others | {record["shard"]: cursor for record in kept}

    async def _renew(self, connection: Driver) -> None:
        """Renew this relay's leases, give up what is more than its share, take what nobody holds."""
        records = await connection.fetch(sql.read("renew_leases"), self.owner, LEASE_SECONDS, SHARDS)
        mine = {shard: Cursor(*cursor) for shard, _, *cursor in records}
        self._rows = {record["shard"]: record["ctid"] for record in records}
        if mine.keys() != self.cursors.keys():
            log.info("relay shards", shards=sorted(mine))
        self.cursors = mine
