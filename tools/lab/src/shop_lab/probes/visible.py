"""The latency from a commit to the event's handler on an idle machine, and the latency of a plain Kafka message."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from fastapi import APIRouter

from chassis.events import Batch, Cause
from chassis.inbox import Subscriptions
from chassis.outbox import Database, Transaction
from chassis.service import build_service
from shop_lab.probes import events as vocabulary
from shop_lab.probes import main
from shop_lab.probes.events import TYPE, Happened, Seen, settings
from shop_lab.probes.messages import headers_of

PAUSE = (0.02, 0.08)
"""Least and most seconds between two messages. The system is idle meanwhile."""
arrived: dict[int, asyncio.Future[float]] = {}


async def note(tx: Transaction, events: Batch[Seen]) -> None:
    """Record when each event reached its handler."""
    for event in events:
        if (waiting := arrived.pop(event.data.number, None)) is not None:
            waiting.set_result(time.perf_counter())


async def compare(
    database: str, bootstrap: str, topic: str, bare_topic: str, samples: int, rounds: int
) -> dict[str, Any]:
    """Seconds of each sample through the chassis and with a plain client, in turn."""
    vocabulary.use(topic)
    bare: list[float] = []
    committed: list[float] = []
    # A consumer accepts from a topic only events of the topic's owner, so the service has the owner's name.
    async with (
        _chassis(topic.partition(".")[0], database, bootstrap) as db,
        _kafka(bootstrap, bare_topic) as (producer, consumer),
    ):
        for number in range(rounds):
            for count in range(samples):
                committed.append(await _through_the_chassis(db, number * samples + count))
                await asyncio.sleep(random.uniform(*PAUSE))
            for _ in range(samples):
                bare.append(await _bare(producer, consumer, bare_topic))
                await asyncio.sleep(random.uniform(*PAUSE))
    warm = 10
    return {"bare": sorted(bare[warm:]), "chassis": sorted(committed[warm:])}


async def _through_the_chassis(db: Database, number: int) -> float:
    waiting: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    arrived[number] = waiting
    async with db.transaction() as tx:
        tx.publish(Happened(thing=f"thing-{number}", number=number), cause=Cause(None, "bench", None))
    committed = time.perf_counter()
    return await asyncio.wait_for(waiting, 30) - committed


async def _bare(producer: AIOKafkaProducer, consumer: AIOKafkaConsumer, topic: str) -> float:
    key = str(time.time_ns()).encode()
    began = time.perf_counter()
    receiving = asyncio.create_task(_received(consumer, key))
    value = b'{"bare":true}' + b" " * 150
    await producer.send_and_wait(topic, value=value, key=key, headers=headers_of(TYPE, key))
    return await asyncio.wait_for(receiving, 30) - began


async def _received(consumer: AIOKafkaConsumer, key: bytes) -> float:
    while (await consumer.getone()).key != key:
        pass
    return time.perf_counter()


@asynccontextmanager
async def _chassis(name: str, url: str, bootstrap: str) -> AsyncIterator[Database]:
    """A complete service with one subscription, ready."""
    service = build_service(
        settings(name, url, bootstrap),
        router=APIRouter(),
        subscriptions=Subscriptions({Seen: note}),
    )
    async with service.runtime.running():
        while service.context.tasks["consumer"].text != "ok":  # noqa: ASYNC110  as a probe asks
            await asyncio.sleep(0.1)
        yield service.context.database


@asynccontextmanager
async def _kafka(bootstrap: str, topic: str) -> AsyncIterator[tuple[AIOKafkaProducer, AIOKafkaConsumer]]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="latest")
    starting: list[Awaitable[None]] = [producer.start(), consumer.start()]
    await asyncio.gather(*starting)
    await consumer.seek_to_end()
    try:
        yield producer, consumer
    finally:
        await asyncio.gather(producer.stop(), consumer.stop())


if __name__ == "__main__":
    main(compare)
