"""NOTIFY tells relays in other processes of new rows."""

import asyncio
from collections.abc import Collection

from chassis.outbox.sharding import CHANNEL
from chassis.outbox.transactions import Database
from chassis.postgres import Statements

PAUSE_SECONDS = 0.05
"""Seconds between two notifications. Each reaches every relay of the service, so one covers many rows."""

_statements = Statements(__package__)


class RelayNotifier:
    """Collects the shards with new rows, and sends one notification for many of them.

    A transaction with NOTIFY takes a lock on the whole PostgreSQL server (all databases) when it commits. So NOTIFY is
    not part of the business transaction.
    """

    def __init__(self) -> None:
        self._shards: set[int] = set()
        self._has_shards = asyncio.Event()

    def add(self, shards: Collection[int]) -> None:
        """Note that these shards have new rows."""
        if shards:
            self._shards.update(shards)
            self._has_shards.set()

    async def run(self, database: Database) -> None:
        """Notify until cancelled. If a notification fails, the relays find the rows at their next poll."""
        while True:
            await self._has_shards.wait()
            async with database.reading() as connection:
                self._has_shards.clear()
                notification = {"channel": CHANNEL, "shards": " ".join(map(str, self._shards))}
                self._shards.clear()
                await connection.execute(_statements.named("notify_relays"), notification)
            await asyncio.sleep(PAUSE_SECONDS)
