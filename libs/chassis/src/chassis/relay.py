"""The relay: takes rows out of the outbox, in order, and hands them to the transport.

What was sent is remembered as a PostgreSQL snapshot, not as a highest id. A sequence hands out ids before transactions
commit, so a cursor over ids skips whatever commits late. Unseen are exactly the rows whose transaction the saved
snapshot could not see: `xid >= xmax`, or `xid` among those then in progress. Both are index ranges, and neither grows
while some transaction stays open. Rows of one key are in the order of their ids, because whoever writes them holds the
lock on their aggregate.

The outbox has `SHARDS` parts. The relays of all replicas share them by leases: each has those whose keys its own
process consumes, as most of their rows are written there, and of what nobody consumes its fair share. A relay that dies
stops renewing, and within LEASE_SECONDS and a poll the others take its parts. How far it is a relay saves with its
leases, SAVE_SECONDS after it sent something: so much, and a page, is sent again if it dies.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg
import structlog

from chassis import sql
from chassis.connection import CONNECT_SECONDS, SERVER_SETTINGS, Driver
from chassis.jobs import wait
from chassis.outbox import CHANNEL, SHARDS, OutboxRow

log = structlog.get_logger()

LEASE_SECONDS, SAVE_SECONDS = 6.0, 1.0
# A cursor lost in a crash means duplicates, no loss. Without statistics, scans out of the index's order look cheap.
SESSION = SERVER_SETTINGS | {"synchronous_commit": "off", "enable_bitmapscan": "off"}


class Cursor(NamedTuple):
    """How far one shard was sent: all that `snapshot` sees, and of what `upper` sees all up to `after_id`."""

    snapshot: str
    upper: str | None = None
    after_id: int = 0


@dataclass(slots=True)
class Relay:
    """One process's relay. `run()` works until it is cancelled; `wake()` tells it of new rows.

    `send` sends rows in order and returns when all are durable; it raises if it cannot say so of every one.
    Every `poll_seconds` it renews its leases and looks for rows that nobody told it of. `consumed` tells which
    partitions its process has.
    """

    url: str
    send: Callable[[Sequence[OutboxRow]], Awaitable[None]]
    poll_seconds: float = 2.0
    page: int = 2_000
    consumed: Callable[[], Collection[int]] = tuple
    owner: UUID = field(default_factory=uuid4)
    cursors: dict[int, Cursor] = field(default_factory=dict)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _renew_at: float = 0.0

    def wake(self, shards: Collection[int]) -> None:
        """Look for rows now rather than at the next poll, if these shards are its own; of none, look for shards too."""
        if not shards:
            self._renew_at = 0.0
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
            with contextlib.suppress(Exception):  # the others need not wait for its leases to end
                await asyncio.wait_for(self._renew(connection, seconds=0.0), 1.0)
            self.cursors = {}
            connection.terminate()

    async def _work(self, connection: Driver) -> None:
        self._renew_at = 0.0
        while True:
            if time.monotonic() >= self._renew_at:
                await self._renew(connection)
            self._woken.clear()
            if not await self.relay_once(connection):
                await wait(self._woken, self._renew_at - time.monotonic())

    async def relay_once(self, connection: Driver) -> bool:
        """Send one page of each group of shards that stand at the same cursor; returns whether there may be more.

        What commits meanwhile is not meant: it wakes this relay by itself.
        """
        return any([await self._relay(connection, cursor) for cursor in set(self.cursors.values())])

    async def _relay(self, connection: Driver, cursor: Cursor) -> bool:
        shards = [shard for shard, at in self.cursors.items() if at == cursor]
        records = await connection.fetch(sql.read("unseen_rows"), shards, *cursor, self.page)
        if not records and cursor.upper is None:
            return False
        await self.send([OutboxRow(*row) for _, _, *row in records])
        upper, whole = cursor.upper or records[0]["now"], len(records) < self.page
        reached = Cursor(upper) if whole else Cursor(cursor.snapshot, upper, records[-1]["id"])
        self.cursors |= dict.fromkeys(shards, reached)
        self._renew_at = min(self._renew_at, time.monotonic() + SAVE_SECONDS)
        # What came while a window was being paged was not looked for.
        return not whole or cursor.upper is not None

    async def _renew(self, connection: Driver, seconds: float = LEASE_SECONDS) -> None:
        """Save how far it is, renew its leases, give up what is another's, take what nobody holds."""
        self._renew_at = time.monotonic() + self.poll_seconds
        reached = json.dumps([{"shard": shard, **cursor._asdict()} for shard, cursor in self.cursors.items()])
        asked = (self.owner, seconds, {at % SHARDS for at in self.consumed()}, reached, CHANNEL)
        records = await connection.fetch(sql.read("renew_leases"), *asked)
        mine = {shard: Cursor(*cursor) for shard, *cursor in records}
        if mine.keys() != self.cursors.keys():
            log.info("relay shards", shards=sorted(mine))
        self.cursors = mine
