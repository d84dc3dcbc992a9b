"""Tells readers of new rows: those of this process at once, those of other processes by NOTIFY."""

import asyncio
from collections.abc import Collection, Iterable
from typing import Protocol

from chassis.outbox import Database
from chassis.postgres import Statements

CHANNEL = "chassis_topics"
"""The NOTIFY channel. A payload is the topics with new rows.

An empty payload means: look at all topics, because the lease of a reader is free.
"""
PAUSE_SECONDS = 0.05
"""Seconds between two notifications. Each reaches every reader of the database, so one covers many rows."""

_statements = Statements(__package__)


class Wakeable(Protocol):
    """A reader, as far as a commit is concerned."""

    @property
    def topics(self) -> Collection[str]:
        """The topics that it reads."""

    @property
    def is_reading(self) -> bool:
        """Whether it has the lease. Otherwise another process reads, or none does."""

    def wake(self, topics: Collection[str]) -> None:
        """Look at these topics at once."""


READERS: list[Wakeable] = []
"""The readers of this process. A process that serves several modules has one for each of them."""


def wake_readers(topics: Iterable[str]) -> set[str]:
    """Wake the readers of this process. Returns the topics of which other processes must be told.

    These are the topics that another process may read: one whose reader here has no lease, and each topic in a process
    without any reader.
    """
    new = set(topics)
    if not READERS:
        return new
    elsewhere: set[str] = set()
    for reader in READERS:
        if found := new.intersection(reader.topics):
            if reader.is_reading:
                reader.wake(found)
            else:
                elsewhere |= found
    return elsewhere


class ReaderNotifier:
    """Collects topics with new rows, and sends one notification for many of them.

    As for relays, NOTIFY is not part of the business transaction, because it takes a lock on the whole server.
    """

    def __init__(self) -> None:
        self._topics: set[str] = set()
        self._has_topics = asyncio.Event()

    def add(self, topics: Collection[str]) -> None:
        """Note that these topics have new rows."""
        if topics:
            self._topics.update(topics)
            self._has_topics.set()

    async def run(self, database: Database) -> None:
        """Notify until cancelled. If a notification fails, the readers find the rows at their next look."""
        while True:
            await self._has_topics.wait()
            async with database.reading() as connection:
                self._has_topics.clear()
                notification = {"channel": CHANNEL, "topics": " ".join(sorted(self._topics))}
                self._topics.clear()
                await connection.execute(_statements.named("notify_readers"), notification)
            await asyncio.sleep(PAUSE_SECONDS)
