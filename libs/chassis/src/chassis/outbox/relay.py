"""The relay reads rows of the outbox in order, and gives them to the transport.

The relay's position is a PostgreSQL snapshot and not the highest id. A sequence gives out ids before transactions
commit, so a cursor over ids would skip the rows of transactions that commit late. The rows to send are those whose
transaction the saved snapshot could not see: `xid >= xmax`, or an `xid` that was then in progress. Both conditions are
index ranges, and neither range grows while a transaction stays open. Rows of one key are in the order of their ids,
because each writer holds the lock on its aggregate.

A relay that dies stops renewing its leases. Within LEASE_SECONDS and a poll the other relays take its shards. A relay
saves its positions with its leases, at most SAVE_SECONDS after it sent a row. If it dies, the rows of that time and of
one page are sent again.

A relay sends only while its leases are valid by its own clock (`Fence`), and renews them while it sends a page. Rows
that cannot be sent stand aside (`SetAside`), and the position goes on.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import structlog

from chassis.backoff import wait_for_event
from chassis.observability.status import OK, TaskStatus
from chassis.outbox.fence import Fence
from chassis.outbox.lease_keeper import LeaseKeeper
from chassis.outbox.leases import LeaseLost, RelayPosition, ShardLeases
from chassis.outbox.rows import OutboxRow
from chassis.outbox.set_aside import Page, RowsNotSent, SetAside, Unsent
from chassis.outbox.sharding import CHANNEL, SHARDS
from chassis.postgres import Driver, Statements, connect, with_deadline

log = structlog.get_logger()

SAVE_SECONDS = 1.0
STATEMENT_SECONDS = 15.0
"""Seconds for one of the relay's own statements."""
GIVE_UP_SECONDS = 1.0
"""Seconds in which an ending relay tries to give up its leases. If it fails, they end by themselves."""

# A position that is lost in a crash causes duplicates and no loss.
SESSION = {"synchronous_commit": "off"}

_statements = Statements(__package__)

Send = Callable[[Sequence[OutboxRow]], Awaitable[None]]
"""Sends rows in order and returns when all of them are durable.

Raises RowsNotSent if some rows cannot be sent and all others are durable. After any other error, any row may have been
sent. After a cancellation it sends no more rows.
"""


class Relay:
    """One process's relay. `run()` works until it is cancelled; `wake()` tells it of new rows.

    `preferred_shards()` returns the shards whose keys this process consumes. Every `poll_seconds` the relay renews its
    leases and looks for rows for which it was not woken. It reads `page` rows at a time. `fence` is open while
    this relay may send: give it to the transport as well.
    """

    def __init__(
        self,
        url: str,
        send: Send,
        *,
        poll_seconds: float = 2.0,
        page: int = 2_000,
        preferred_shards: Callable[[], Collection[int]] = tuple,
        server_settings: Mapping[str, str] | None = None,
        fence: Fence | None = None,
    ) -> None:
        self.leases = ShardLeases(preferred_shards, fence)
        self.status = TaskStatus()
        self._set_aside = SetAside(page)
        self._url = url
        self._send = send
        self._poll_seconds = poll_seconds
        self._page = page
        self._session = {**(server_settings or {}), **SESSION}
        self._woken = asyncio.Event()
        self._renew_at = 0.0

    @property
    def shards(self) -> Collection[int]:
        """The shards that this relay has now."""
        return self.leases.positions.keys()

    def wake(self, shards: Collection[int]) -> None:
        """Look for rows at once if one of these shards is this relay's, instead of at the next poll.

        An empty argument means that another relay gave up leases: look for free shards, too.
        """
        if not shards:
            self._renew_at = 0.0
            self._woken.set()
        elif not self.leases.positions.keys().isdisjoint(shards):
            self._woken.set()

    async def run(self) -> None:
        """Relay until cancelled. Raises if the database or the transport is away; then call it again."""
        connection = await connect(self._url, STATEMENT_SECONDS, self._session)
        try:
            await with_deadline(self._relay_until_cancelled(connection))
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self.leases.give_up(connection), GIVE_UP_SECONDS)
            self.leases.forget()
            connection.terminate()

    def _on_notification(self, connection: Any, pid: int, channel: str, payload: object) -> None:
        self.wake([int(shard) for shard in str(payload).split()])

    async def _relay_until_cancelled(self, connection: Driver) -> None:
        await connection.execute(_statements.raw("adopt_restored_rows"), list(range(SHARDS)))
        await connection.add_listener(CHANNEL, self._on_notification)
        self._renew_at = 0.0
        while True:
            if time.monotonic() >= self._renew_at:
                await self._renew(connection)
            self._woken.clear()
            may_be_more = await self.relay_once(connection)
            self.status.set(OK)
            if self._set_aside and await self.retry_once(connection):
                may_be_more = True
            if not may_be_more:
                await wait_for_event(self._woken, self._renew_at - time.monotonic())

    async def _renew(self, connection: Driver) -> None:
        self._renew_at = time.monotonic() + self._poll_seconds
        shards = set(self.shards)
        await self.leases.renew(connection)
        if self._set_aside or shards != set(self.shards):
            await self._set_aside.load(connection, self.shards)

    async def relay_once(self, connection: Driver) -> bool:
        """Send one page of each group of shards that stand at the same position. Returns whether there may be more.

        Rows that commit during this call are not included; their commit wakes the relay again.
        """
        may_be_more = False
        for position in set(self.leases.positions.values()):
            if await self._relay_page(connection, position):
                may_be_more = True
        return may_be_more

    async def retry_once(self, connection: Driver) -> bool:
        """Try the rows that stand aside and are due. Returns whether more may be due."""
        topics = self._set_aside.due()
        for topic in topics:
            rows = await self._set_aside.next_rows(connection, self.shards, topic)
            if rows:
                unsent = await self._send_under_lease(connection, rows)
                await self._set_aside.record(connection, topic, rows, unsent)
        if topics:
            await self._set_aside.load(connection, self.shards)
        return bool(self._set_aside.due())

    async def _relay_page(self, connection: Driver, position: RelayPosition) -> bool:
        shards = self.leases.shards_at(position)
        records = await connection.fetch(_statements.raw("unseen_rows"), shards, *position, self._page)
        if not records and position.window_end is None:
            return False
        rows = {id: OutboxRow(*row) for id, _, *row in records}
        free, behind = self._set_aside.divide(rows)
        unsent = [*behind, *await self._send_under_lease(connection, free)]
        if unsent:
            await self._set_aside.put(connection, self.leases.owner, rows, unsent)
            await self._set_aside.load(connection, self.shards)
        is_last_page = len(records) < self._page
        window_end = position.window_end or records[0]["read_snapshot"]
        if is_last_page:
            reached = RelayPosition(window_end)
        else:
            reached = RelayPosition(position.snapshot, window_end, records[-1]["id"])
        self.leases.advance(shards, reached)
        self._renew_at = min(self._renew_at, time.monotonic() + SAVE_SECONDS)
        # While a window is sent page by page, the relay does not look for later rows.
        return not is_last_page or position.window_end is not None

    async def _send_under_lease(self, connection: Driver, rows: Page) -> list[Unsent]:
        """Send rows, and renew the leases meanwhile. Returns the rows that were not sent.

        Raises LeaseLost if another relay has taken a shard. Then no more rows are sent.
        """
        if not rows:
            return []
        if not self.leases.fence.is_open():
            await self.leases.extend(connection)
        limit = asyncio.timeout(self.leases.fence.seconds_left())
        keeper = LeaseKeeper(self.leases, connection, limit)
        try:
            async with limit:
                await self._send(list(rows.values()))
        except RowsNotSent as error:
            return list(error.unsent)
        except TimeoutError as error:
            if limit.expired():
                raise LeaseLost("a page was cut off, because the lease is lost or not renewed") from error
            raise
        finally:
            await keeper.end()
        return []
