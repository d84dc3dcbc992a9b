"""The durable effects per second of one consumer of the chassis: inbox, state and outbox for each event."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from sqlalchemy import text

from chassis.events import Batch, Cause, RawMessage, encode, new_id
from chassis.inbox import Inbox, Subscriptions
from chassis.kafka import Consumer, ConsumerSettings
from chassis.kafka.consumer import ClientHooks
from chassis.outbox import Database, Transaction
from chassis.tuning import planner
from chassis.tuning.fetch_together import fetch_together
from shop_lab.probes import events as vocabulary
from shop_lab.probes import main
from shop_lab.probes.events import TYPE, Answered, Seen, settings

KEYS = 5_000

_STATE = text(
    "INSERT INTO effects (thing, number) SELECT * FROM unnest(CAST(:things AS text[]), CAST(:numbers AS bigint[]))"
    " ON CONFLICT (thing) DO UPDATE SET number = excluded.number"
)


async def happen(tx: Transaction, events: Batch[Seen]) -> None:
    """One state change and one published event for each event."""
    things = sorted(events, key=lambda event: event.data.thing)
    await tx.connection.execute(
        _STATE,
        {"things": [e.data.thing for e in things], "numbers": [e.data.number for e in things]},
    )
    for event in events:
        tx.publish(Answered(thing=event.data.thing, number=event.data.number), cause=event.cause)


class Timed(Inbox):
    """An inbox that records when it began, and how many messages it has handled."""

    began: float | None = None
    ended: float = 0.0
    taken: int = 0

    async def process(self, messages: Sequence[RawMessage]) -> None:
        self.began = self.began or time.perf_counter()
        await super().process(messages)
        self.taken += len(messages)
        self.ended = time.perf_counter()


async def consume(database: str, kafka: Mapping[str, Any], topic: str, effects: int) -> dict[str, Any]:
    """Effects per second of one consumer. Kafka has all events before it starts. Raises SystemExit if one is lost."""
    vocabulary.use(topic)
    connection = await asyncpg.connect(database)
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS effects (thing text PRIMARY KEY, number bigint NOT NULL)"
    )
    await connection.execute("TRUNCATE effects, inbox, outbox")
    group = f"effects-{time.time_ns()}"
    db = Database(database, server_settings=planner.SERVER_SETTINGS)
    inbox = Timed(db, group, Subscriptions({Seen: happen}))
    access = settings(group, database, kafka).kafka
    consumer = Consumer(inbox, ConsumerSettings(access), hooks=ClientHooks(started=fetch_together))
    await _send(kafka, effects)
    running = asyncio.create_task(consumer.run())
    while inbox.taken < effects:
        if running.done():
            running.result()
        await asyncio.sleep(0.05)
    consumer.stopping.set()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    entered = await connection.fetchval("SELECT count(*) FROM inbox")
    published = await connection.fetchval("SELECT count(*) FROM outbox")
    await db.close()
    await connection.close()
    if (entered, published) != (effects, effects):
        raise SystemExit(f"of {effects} events {entered} are in the inbox and {published} in the outbox")
    assert inbox.began is not None
    return {"rate": effects / (inbox.ended - inbox.began)}


async def _send(kafka: Mapping[str, Any], effects: int) -> None:
    producer = AIOKafkaProducer(**kafka, acks="all", enable_idempotence=True, max_batch_size=256 * 1024)
    await producer.start()
    now = datetime.now(UTC)
    for start in range(0, effects, 2_000):
        await asyncio.gather(
            *[await _sent(producer, number, now) for number in range(start, min(start + 2_000, effects))]
        )
    await producer.stop()


async def _sent(producer: AIOKafkaProducer, number: int, now: datetime) -> asyncio.Future[object]:
    thing = f"thing-{number % KEYS}"
    cause = Cause(None, thing, None)
    headers = encode(new_id(), "/bench", TYPE, thing, now, cause)
    value = f'{{"thing":"{thing}","number":{number},"padding":"{"x" * 120}"}}'
    delivery: asyncio.Future[object] = await producer.send(
        Seen.topic, value=value.encode(), key=thing.encode(), headers=headers
    )
    return delivery


if __name__ == "__main__":
    main(consume)
