"""The relay reads rows of the outbox in order, and gives them to the transport.

The relay's position is a PostgreSQL snapshot and not the highest id. A sequence assigns ids before transactions commit,
so a position that is an id would skip the rows of transactions that commit late. The rows to send are those whose
transaction was not visible in the saved snapshot. Such a transaction started later (`xid >= xmax` of the snapshot), or
was in progress then. Both conditions use an index, and a transaction that stays open does not make the query slower.
Rows of one key are in the order of their ids, because each writer holds the lock on its aggregate until it commits.

A relay that dies stops renewing its leases. After about 8 s (LEASE_SECONDS plus `poll_seconds`) other relays acquire
its shards. A relay that is sending a page, or trying rows that were set aside, first ends this work. A relay saves its
positions when it renews its leases: SAVE_SECONDS after it sent rows, or at the end of the round of pages
(`relay_once`) that is in progress then. While a page is being sent, it renews and saves every second. After a crash
the rows that it sent since the last save are sent again.

A relay sends only while its leases are valid by its own clock (`Fence`), and renews them while it sends a page. Rows
that cannot be sent are set aside (`SetAside`), and the position still advances.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any

import structlog

from chassis.backoff import wait_for_event
from chassis.observability import metrics
from chassis.observability.status import OK, TaskStatus
from chassis.outbox.fence import Fence
from chassis.outbox.leased_sending import LeasedSending, Send
from chassis.outbox.leases import RelayPosition, ShardLeases
from chassis.outbox.retries import Retries
from chassis.outbox.rows import OutboxRow
from chassis.outbox.set_aside import SetAside
from chassis.outbox.sharding import CHANNEL, SHARDS
from chassis.postgres import Driver, Password, Statements, connect, raising_database_silent
from chassis.supervisor import cancel_and_wait, supervise

log = structlog.get_logger()

SAVE_SECONDS = 1.0
POSTPONED_SECONDS = 0.25
"""If set-aside rows are being tried when the relay wants to divide the shards, it tries again after this many seconds.
"""
STATEMENT_SECONDS = 15.0
"""Seconds for one of the relay's own statements."""
RELEASE_SECONDS = 1.0
"""Seconds in which an ending relay tries to release its leases. If it fails, they end by themselves."""

# A position that is lost in a crash causes duplicates and no loss.
SESSION = {"synchronous_commit": "off"}

_statements = Statements(__package__)


class Relay:
    """One process's relay. `run()` works until it is cancelled; `wake()` tells it of new rows.

    `url` is postgresql://user:password@host:port/database. `server_settings` are set on the relay's connections to it.
    `preferred_shards()` returns the shards that have the numbers of this process's partitions, modulo 12. Every
    `poll_seconds` the relay renews its leases and looks for rows that no wake-up has announced. It reads at most
    `page` rows at a time. `fence` is open while this relay may send: give the same `Fence` to the transport. `send`
    sends new rows. `retry` sends the rows that were set aside. If `retry` has a connection of its own to the broker,
    it never delays `send`. `password` is read at each login to the database, and is used instead of the one in `url`.
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
        retry: Send | None = None,
        password: Password | None = None,
    ) -> None:
        self.leases = ShardLeases(preferred_shards, fence)
        self.status = TaskStatus()
        self._set_aside = SetAside(page)
        self.retries = Retries(self._connect, self.leases, self._set_aside, send if retry is None else retry)
        self._url = url
        self._password = password
        self._sending = LeasedSending(self.leases, send)
        self._poll_seconds = poll_seconds
        self._page = page
        self._session = {**(server_settings or {}), **SESSION}
        self._woken = asyncio.Event()
        self._renew_at = 0.0
        self._has_changed_rows = False

    @property
    def shards(self) -> Collection[int]:
        """The shards that this relay has now."""
        return self.leases.positions.keys()

    async def measure(self) -> None:
        """Set the metrics of this relay's leases."""
        metrics.RELAY_SHARDS.set(len(self.shards))
        metrics.RELAY_LEASE_LEFT.set(self.leases.fence.seconds_left())

    def wake(self, shards: Collection[int]) -> None:
        """Look for rows at once if one of these shards is this relay's, instead of at the next poll.

        An empty argument means: look for free shards and for rows at once, because another relay has released leases,
        or an operator has changed rows.
        """
        if not shards:
            self._has_changed_rows = True
            self._renew_at = 0.0
            self._woken.set()
        elif not self.leases.positions.keys().isdisjoint(shards):
            self._woken.set()

    async def run(self) -> None:
        """Relay until cancelled. At the end it saves its positions and releases its leases, and sends no more rows.

        Raises if the database or the transport is unavailable; then call it again.
        """
        connection = await self._connect()
        try:
            async with self._retrying():
                await raising_database_silent(self._relay_until_cancelled(connection))
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self.leases.release_all(connection), RELEASE_SECONDS)
            self.leases.forget()
            connection.terminate()

    async def _connect(self) -> Driver:
        return await connect(self._url, STATEMENT_SECONDS, self._session, self._password)

    @contextlib.asynccontextmanager
    async def _retrying(self) -> AsyncIterator[None]:
        """While the block runs, rows that were set aside are tried."""
        task = asyncio.create_task(
            supervise("relay-retries", lambda: raising_database_silent(self.retries.run()))
        )
        try:
            yield
        finally:
            await cancel_and_wait(task)

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
            if not may_be_more:
                await wait_for_event(self._woken, self._renew_at - time.monotonic())

    async def _renew(self, connection: Driver) -> None:
        if self.leases.shards_lock.locked():  # rows of these shards are being tried
            self._renew_at = time.monotonic() + POSTPONED_SECONDS
            self.leases.up_to_date.clear()
            await self.leases.extend(connection)
            return
        self._renew_at = time.monotonic() + self._poll_seconds
        async with self.leases.shards_lock:
            shards, has_changed_rows = set(self.shards), self._has_changed_rows
            self._has_changed_rows = False
            await self.leases.renew(connection)
            self.leases.up_to_date.set()
            # An operator may have set rows aside that this relay knows nothing of.
            if has_changed_rows or self._set_aside or shards != set(self.shards):
                async with self._set_aside.changing:
                    await self._set_aside.load(connection, self.shards)

    async def relay_once(self, connection: Driver) -> bool:
        """Send at most one page for each group of shards with the same position. Returns whether there may be more.

        A row whose transaction commits during this call may be left for the next call: its commit wakes the relay.
        """
        may_be_more = False
        for position in set(self.leases.positions.values()):
            if await self._relay_page(connection, position):
                may_be_more = True
        return may_be_more

    async def _relay_page(self, connection: Driver, position: RelayPosition) -> bool:
        shards = self.leases.shards_at(position)
        records = await connection.fetch(_statements.raw("unseen_rows"), shards, *position, self._page)
        if not records and position.window_end is None:
            return False
        rows = {id: OutboxRow(*row) for id, _, *row in records}
        free, waiting = self._set_aside.divide(rows)
        unsent = [*waiting, *await self._sending.send(connection, free)]
        if unsent:
            async with self._set_aside.changing:
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
