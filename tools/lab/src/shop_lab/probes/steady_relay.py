"""The speed of a relay before, during and after a long open transaction in its database, and whether it skips rows.

Rows are written in small transactions all the time, so that the relay reads many small pages per second. Every few
seconds one transaction writes a backlog, on which the relay's speed is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from chassis.events import Cause
from chassis.kafka import KafkaPublisher
from chassis.outbox import SHARDS, Database, OutboxRow, Relay
from chassis.tuning import planner
from shop_lab.probes import events, main
from shop_lab.probes.events import Happened
from shop_lab.probes.relay import KEYS, TRACEPARENT, check_order

ALL_READ_SECONDS = 300
SENT_SECONDS = 120


async def work(
    database: str,
    kafka: Mapping[str, Any],
    topic: str,
    calm_seconds: float,
    open_seconds: float,
    every_seconds: float,
    backlog: int,
    transactions_per_second: float,
) -> dict[str, Any]:
    """Rates in rows per second, a list for each of the three phases. Raises if a row is missing or out of order."""
    events.use(topic)
    outbox = Outbox(Database(database), KafkaPublisher(kafka, "/prove"))
    pace = (every_seconds, backlog, 1 / transactions_per_second)
    running = asyncio.create_task(outbox.relay(database))
    await outbox.drain(backlog)  # opens connections and warms up
    before = await outbox.measure(calm_seconds, *pace)
    async with held_open(database) as xid:
        while_open = await outbox.measure(open_seconds, *pace)
    after = await outbox.measure(calm_seconds, *pace)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    async with asyncio.timeout(ALL_READ_SECONDS):
        await check_order(kafka, topic, outbox.written)
    return {"before": before, "open": while_open, "after": after, "rows": outbox.written, "held_xid": xid}


class Outbox:
    """Writes numbered rows, and counts those that the relay has sent."""

    def __init__(self, database: Database, publisher: KafkaPublisher) -> None:
        self.database, self.publisher = database, publisher
        self.written = self.sent = 0
        self._moved = asyncio.Event()
        self._relay: Relay | None = None

    async def relay(self, url: str) -> None:
        """Relay until cancelled."""
        self._relay = Relay(url, self._send, server_settings=planner.RELAY_SETTINGS)
        try:
            await self._relay.run()
        finally:
            await self.publisher.close()

    async def _send(self, rows: Sequence[OutboxRow]) -> None:
        await self.publisher.send(rows)
        self.sent += len(rows)
        self._moved.set()

    async def measure(self, seconds: float, every: float, backlog: int, pause: float) -> list[float]:
        """Write a backlog every `every` seconds. Returns the rows per second with which the relay sent each."""
        rates, ends = [], time.monotonic() + seconds
        while time.monotonic() < ends:
            await self._trickle(every, pause)
            rates.append(await self.drain(backlog))
        return rates

    async def drain(self, rows: int) -> float:
        """Write rows in one transaction, so that all are visible at once. Returns the rows sent per second."""
        await self._write(rows)
        began = time.perf_counter()
        await self._all_sent()
        return rows / (time.perf_counter() - began)

    async def _trickle(self, seconds: float, pause: float) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            await self._write(1)
            await asyncio.sleep(pause)
        await self._all_sent()

    async def _write(self, rows: int) -> None:
        async with self.database.transaction() as tx:
            for number in range(self.written, self.written + rows):
                cause = Cause(None, f"key-{number % KEYS}", TRACEPARENT)
                tx.publish(Happened(thing=f"key-{number % KEYS}", number=number), cause=cause)
        self.written += rows
        if self._relay is not None:
            self._relay.wake(range(SHARDS))

    async def _all_sent(self) -> None:
        async with asyncio.timeout(SENT_SECONDS):
            while self.sent < self.written:
                self._moved.clear()
                await self._moved.wait()


@contextlib.asynccontextmanager
async def held_open(url: str) -> Any:
    """An open transaction with an id and a snapshot, which does nothing more. Yields its id.

    While it is open, vacuum removes no newer dead rows, and the xmin of every snapshot stays where it is.
    """
    connection = await asyncpg.connect(url)
    transaction = connection.transaction(isolation="repeatable_read")
    await transaction.start()
    try:
        yield await connection.fetchval(
            "SELECT pg_current_xact_id()::text FROM (SELECT count(*) FROM outbox) c"
        )
    finally:
        await transaction.rollback()
        await connection.close()


if __name__ == "__main__":
    main(work)
