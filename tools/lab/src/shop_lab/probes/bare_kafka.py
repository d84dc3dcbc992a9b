"""The Kafka part of the baseline: plain aiokafka sends an order's messages once, and five groups read them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from shop_lab.probes import main
from shop_lab.probes.messages import READERS, Kind, Message, messages_of

IN_FLIGHT = 500
"""Messages that are sent before their acknowledgements are awaited: as many as in a service's batch."""


async def through(
    kafka: Mapping[str, Any], prefix: str, orders: int, kinds: list[list[str]]
) -> dict[str, Any]:
    """Send the messages of `orders` orders to the topics `prefix` + name, and read them in five groups.

    `kinds` are [type, topic, value]. Returns wall and CPU seconds, without the time to connect.
    """
    events = [Kind(type, prefix + topic, value.encode()) for type, topic, value in kinds]
    messages = list(messages_of(events, orders))
    per_topic = Counter(message.topic for message in messages)
    producer = AIOKafkaProducer(**kafka, acks="all", enable_idempotence=True, max_batch_size=256 * 1024)
    readers = {group: [prefix + topic for topic in topics] for group, topics in READERS.items()}
    consumers = {
        group: AIOKafkaConsumer(
            *topics,
            **kafka,
            group_id=prefix + group,
            enable_auto_commit=False,
            auto_offset_reset="latest",
        )
        for group, topics in readers.items()
    }
    await producer.start()
    for consumer in consumers.values():
        await consumer.start()
        await consumer.seek_to_end()
    wall, cpu = time.monotonic(), time.process_time()
    reading = [
        _read(consumer, sum(per_topic[topic] for topic in readers[group]))
        for group, consumer in consumers.items()
    ]
    await asyncio.gather(_send(producer, messages), *reading)
    result = {"wall": time.monotonic() - wall, "cpu": time.process_time() - cpu}
    await asyncio.gather(producer.stop(), *(consumer.stop() for consumer in consumers.values()))
    return result


async def _send(producer: AIOKafkaProducer, messages: list[Message]) -> None:
    for start in range(0, len(messages), IN_FLIGHT):
        deliveries = [
            await producer.send(m.topic, value=m.value, key=m.key, headers=m.headers)
            for m in messages[start : start + IN_FLIGHT]
        ]
        await asyncio.gather(*deliveries)


async def _read(consumer: AIOKafkaConsumer, expected: int) -> None:
    while expected > 0:
        batches = await consumer.getmany(timeout_ms=1000, max_records=IN_FLIGHT)
        expected -= sum(len(records) for records in batches.values())
        await consumer.commit()


if __name__ == "__main__":
    main(through)
