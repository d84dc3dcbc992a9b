"""The reader of one module: it passes rows of the group's outboxes to the inbox.

It advances its position only after the inbox has committed. A message that must wait stops its own shard, and no other.
"""

import asyncio
import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from chassis.backoff import Backoff, wait_for_event
from chassis.errors import Unavailable, dependency_of, is_unavailable
from chassis.events import RawMessage
from chassis.inbox import Inbox, PartlyTaken
from chassis.local.positions import Page, Positions, read_page
from chassis.local.waiting_shards import WaitingShards
from chassis.local.wakeups import CHANNEL, READERS
from chassis.observability.outages import OUTAGES
from chassis.observability.status import OK, TaskStatus
from chassis.postgres import Driver, Password, Statements, connect, raising_database_silent

LEASE_SECONDS = 6.0
RENEW_SECONDS = 2.0
STANDBY_SECONDS = 1.0
"""Seconds after which a reader without the lease asks for it again."""
STATEMENT_SECONDS = 15.0
"""Seconds for one of the reader's own statements."""
BATCH_SECONDS = 240.0
"""Seconds for a batch of the inbox. Then it is rolled back and read again."""
RELEASE_SECONDS = 1.0
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
"""A batch ends with the page that reaches this size. A batch is one transaction, which has it in memory."""
SESSION = {"synchronous_commit": "off"}
"""A position that is lost in a crash causes duplicates and no loss."""

_statements = Statements(__package__)


class ReaderLeaseLost(Unavailable):
    """Another process reads for this module now."""


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """The settings of a reader. `url` and `password` are those of the module's role."""

    url: str
    password: Password | None = None
    server_settings: Mapping[str, str] = field(default_factory=dict)
    batch_size: int = 500
    linger_seconds: float = 0.0
    defer_seconds: float = 0.1
    retry_seconds: float = 0.1
    poll_seconds: float = 2.0
    """Seconds between two looks for rows that no wake-up has announced."""


class LocalReader:
    """Passes the rows of `topics` to one inbox. `run()` works until `stop()`, and finishes its batch."""

    def __init__(self, inbox: Inbox, topics: Collection[str], settings: ReaderSettings) -> None:
        self.topics = frozenset(topics)
        self.status = TaskStatus()
        self.stopping = asyncio.Event()
        self.is_assigned = False
        """Whether it reads, or knows that another process reads."""
        self.is_reading = False
        self._owner = uuid4()
        self._inbox = inbox
        self._settings = settings
        self._positions = Positions(sorted(self.topics))
        self._waiting = WaitingShards(settings.retry_seconds)
        self._backoff = Backoff()
        self._failed_batches = 0
        self._woken = asyncio.Event()
        self._due = set(self.topics)
        self._renew_at = 0.0
        self._poll_at = 0.0

    def wake(self, topics: Collection[str]) -> None:
        """Look at these topics at once. An empty argument means all of them, and the lease."""
        if not topics:
            self._renew_at = self._poll_at = 0.0
        self._due |= self.topics.intersection(topics)
        self._woken.set()

    def stop(self) -> None:
        """End `run()` after the batch in progress."""
        self.stopping.set()
        self._woken.set()

    async def run(self) -> None:
        """Read until `stop()`. At the end it saves its positions and releases its lease.

        Raises if the database is unavailable or the lease is lost; then call it again.
        """
        settings = self._settings
        session = {**settings.server_settings, **SESSION}
        connection = await connect(settings.url, STATEMENT_SECONDS, session, settings.password)
        READERS.append(self)
        self._renew_at = self._poll_at = 0.0
        try:
            await connection.add_listener(CHANNEL, self._on_notification)
            while not self.stopping.is_set():
                await raising_database_silent(self._step(connection))
        finally:
            READERS.remove(self)
            self.is_assigned = False
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._release(connection), RELEASE_SECONDS)
            self.is_reading = False
            connection.terminate()

    def _on_notification(self, connection: Any, pid: int, channel: str, payload: object) -> None:
        self.wake(str(payload).split())

    async def _step(self, connection: Driver) -> None:
        """Renew the lease, handle one batch, or wait."""
        await self._renew(connection)
        self.status.set(OK)
        if not self.is_reading:
            self._woken.clear()
            await wait_for_event(self._woken, STANDBY_SECONDS)
            return
        if time.monotonic() >= self._positions.save_at:
            await self._positions.save(connection, self._owner)
        if time.monotonic() >= self._poll_at:
            self._due |= self.topics
            self._poll_at = time.monotonic() + self._settings.poll_seconds
        self._due |= self._waiting.topics()
        self._woken.clear()
        pages = await self._next_pages(connection)
        messages = [message for page in pages for message in page.messages]
        pause = await self._take(pages, messages) if messages else self._skip(pages)
        if pause:
            self._woken.clear()
            await wait_for_event(self.stopping, pause)
        elif not messages:
            until_next = min(self._poll_at, self._renew_at, self._positions.save_at) - time.monotonic()
            await wait_for_event(self._woken, max(0.0, self._waiting.seconds_to_next(until_next)))

    async def _renew(self, connection: Driver) -> None:
        """Renew the lease if that is due. A reader that gets the lease reads the saved positions first."""
        if time.monotonic() < self._renew_at:
            return
        self._renew_at = time.monotonic() + (RENEW_SECONDS if self.is_reading else STANDBY_SECONDS)
        has_lease = (
            await connection.fetchval(_statements.raw("take_lease"), self._owner, LEASE_SECONDS) is not None
        )
        if self.is_reading and not has_lease:
            raise ReaderLeaseLost("another process reads for this module now")
        if has_lease and not self.is_reading:
            await self._positions.load(connection)
            self._due = set(self.topics)
        self.is_reading = has_lease
        self.is_assigned = True

    async def _next_pages(self, connection: Driver) -> list[Page]:
        """The next pages of the topics that are due. A batch of deferrable events waits for a short time for others."""
        pages = await self._gather(connection)
        deadline = time.monotonic() + self._settings.defer_seconds
        while self._should_defer(pages) and (left := deadline - time.monotonic()) > 0:
            await wait_for_event(self._woken, left)
            if self.stopping.is_set():
                break
            self._woken.clear()
            self._due |= {page.topic for page in pages}
            pages = await self._gather(connection)
        return pages

    def _should_defer(self, pages: Sequence[Page]) -> bool:
        messages = [message for page in pages for message in page.messages]
        is_full = any(page.may_be_more for page in pages)
        return bool(messages) and not is_full and self._inbox.subscriptions.none_urgent(messages)

    async def _gather(self, connection: Driver) -> list[Page]:
        """One page for each position in each topic that is due, until the batch is full."""
        room = self._settings.batch_size
        size = 0
        pages: list[Page] = []
        waiting = self._waiting.now()
        for topic in sorted(self._due):
            self._due.discard(topic)
            for position, shards in self._positions.distinct(topic, waiting):
                if room <= 0 or size >= MAX_TRANSACTION_BYTES:
                    self._due.add(topic)
                    break
                page = await read_page(connection, topic, shards, position, room)
                pages.append(page)
                room -= len(page.messages)
                size += sum(len(message.value or b"") for message in page.messages)
                if page.may_be_more:
                    self._due.add(topic)
        return pages

    async def _take(self, pages: Sequence[Page], messages: Sequence[RawMessage]) -> float:
        """Pass a batch to the inbox. Returns the seconds to wait before the next one."""
        left: set[tuple[str, int]] = set()
        try:
            async with asyncio.timeout(BATCH_SECONDS):
                await self._inbox.process(messages)
        except PartlyTaken as partly:
            left = {(message.topic, message.position[0]) for message in partly.messages}
            self._waiting.pause(left)
        except Exception as error:
            self._due |= {page.topic for page in pages}
            if not is_unavailable(error):
                raise
            self._failed_batches += 1
            OUTAGES.failed(dependency_of(error), "reader", error)
            return self._backoff.pause(self._failed_batches)
        self._failed_batches = 0
        taken = {(message.topic, message.position[0]) for message in messages} - left
        self._waiting.forget(taken)
        for page in pages:
            self._positions.advance(page, left)
        return self._settings.linger_seconds if len(messages) < self._settings.batch_size else 0.0

    def _skip(self, pages: Sequence[Page]) -> float:
        for page in pages:
            self._positions.advance(page, ())
        return 0.0

    async def _release(self, connection: Driver) -> None:
        if self.is_reading:
            await self._positions.save(connection, self._owner)
            await connection.execute(_statements.raw("release_lease"), self._owner, CHANNEL)
