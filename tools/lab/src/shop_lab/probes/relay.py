"""Drains an outbox with the chassis' relay, and sends the same messages with a plain producer, in turn."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from chassis.events import Cause, Headers, encode, new_id
from chassis.kafka import KafkaPublisher
from chassis.outbox import Database, OutboxRow, Relay
from chassis.tuning import planner
from shop_lab.probes import events, main
from shop_lab.probes.events import Happened

KEYS = 5_000
PAGE = 2_000
WRITTEN_AT_ONCE = 2_000
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def drain(
    database: str, kafka: Mapping[str, Any], topic: str, bare_topic: str, rows: int, rounds: int
) -> dict[str, Any]:
    """Rates in rows per second: of the plain producer, of the relay. Raises SystemExit if a key is out of order."""
    events.use(topic)
    bare, relayed = [], []
    for _ in range(rounds):
        bare.append(await _bare(kafka, bare_topic, rows))
        relayed.append(await _relayed(database, kafka, rows))
    bare.append(await _bare(kafka, bare_topic, rows))
    await check_order(kafka, topic, rows * rounds)
    return {"bare": bare, "relay": relayed}


async def _relayed(url: str, kafka: Mapping[str, Any], rows: int) -> float:
    connection = await asyncpg.connect(url)
    await connection.execute("TRUNCATE outbox")
    database = Database(url)
    for start in range(0, rows, WRITTEN_AT_ONCE):
        async with database.transaction() as tx:
            for number in range(start, min(start + WRITTEN_AT_ONCE, rows)):
                cause = Cause(None, f"key-{number % KEYS}", TRACEPARENT)
                tx.publish(Happened(thing=f"key-{number % KEYS}", number=number), cause=cause)
    await database.close()
    await connection.execute("VACUUM ANALYZE outbox")
    await connection.execute("CHECKPOINT")
    await connection.close()
    return await _drained(url, kafka, rows)


async def _drained(url: str, kafka: Mapping[str, Any], rows: int) -> float:
    publisher = KafkaPublisher(kafka, "/bench")
    sent, all_sent = 0, asyncio.Event()

    async def send(page: Sequence[OutboxRow]) -> None:
        nonlocal sent
        await publisher.send(page)
        sent += len(page)
        if sent >= rows:
            all_sent.set()

    began = time.perf_counter()
    running = asyncio.create_task(Relay(url, send, server_settings=planner.RELAY_SETTINGS).run())
    done, _ = await asyncio.wait(
        {running, asyncio.create_task(all_sent.wait())}, return_when=asyncio.FIRST_COMPLETED
    )
    taken = time.perf_counter() - began
    if running in done:
        running.result()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await publisher.close()
    return rows / taken


async def _bare(kafka: Mapping[str, Any], topic: str, rows: int) -> float:
    """Send the same messages with a plain producer, a page at a time like the relay. They are built beforehand."""
    now = datetime.now(UTC)
    messages = [_message(number, now) for number in range(rows)]
    producer = AIOKafkaProducer(**kafka, acks="all", enable_idempotence=True, max_batch_size=256 * 1024)
    await producer.start()
    began = time.perf_counter()
    for start in range(0, rows, PAGE):
        await asyncio.gather(
            *[
                await producer.send(topic, value=value, key=key, headers=headers)
                for key, value, headers in messages[start : start + PAGE]
            ]
        )
    taken = time.perf_counter() - began
    await producer.stop()
    return rows / taken


def _message(number: int, now: datetime) -> tuple[bytes, bytes, Headers]:
    event = Happened(thing=f"key-{number % KEYS}", number=number)
    cause = Cause(None, event.subject, TRACEPARENT)
    headers = encode(new_id(), "/bench", event.event_type, event.subject, now, cause)
    return event.subject.encode(), event.model_dump_json().encode(), headers


async def check_order(kafka: Mapping[str, Any], topic: str, expected: int) -> None:
    """Read all messages. For each key a number follows the one before, and a new round begins with the first."""
    consumer = AIOKafkaConsumer(topic, **kafka, auto_offset_reset="earliest")
    await consumer.start()
    latest: dict[bytes, int] = {}
    try:
        while expected > 0:
            for records in (await consumer.getmany(timeout_ms=10_000)).values():
                for record in records:
                    _follows(latest, record.key, json.loads(record.value)["number"])
                expected -= len(records)
    finally:
        await consumer.stop()


def _follows(latest: dict[bytes, int], key: bytes, number: int) -> None:
    before = latest.get(key)
    if number >= KEYS and before is not None and number != before + KEYS:
        raise SystemExit(f"{key!r}: {number} came after {before}")
    latest[key] = number


if __name__ == "__main__":
    main(drain)
