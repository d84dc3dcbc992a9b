"""The relay's probe looks at the order of what arrived, and has been seen to object."""

from __future__ import annotations

import json
import uuid

import pytest
from aiokafka import AIOKafkaProducer

from shop_lab.probes.relay import KEYS, check_order
from shop_stack import topics
from shop_stack.kafka_access import KafkaAccess
from shop_stack.topics import Topic


async def sent(kafka: KafkaAccess, numbers: list[int]) -> str:
    """A topic with messages of one key in this order."""
    topic = f"test.{uuid.uuid4().hex}"
    await topics.declare(kafka, [Topic(topic, 1, {"cleanup.policy": "delete", "retention.ms": "60000"})])
    producer = AIOKafkaProducer(**kafka.client, acks="all")
    await producer.start()
    for number in numbers:
        await producer.send_and_wait(topic, value=json.dumps({"number": number}).encode(), key=b"key")
    await producer.stop()
    return topic


async def test_numbers_in_their_order_are_fine_and_a_new_round_begins_again(kafka: KafkaAccess) -> None:
    numbers = [0, KEYS, 2 * KEYS, 0, KEYS]
    await check_order(kafka.client, await sent(kafka, numbers), len(numbers))


async def test_two_numbers_changed_about_are_noticed(kafka: KafkaAccess) -> None:
    with pytest.raises(SystemExit, match=f"{2 * KEYS} came after 0"):
        await check_order(kafka.client, await sent(kafka, [0, 2 * KEYS, KEYS]), 3)
