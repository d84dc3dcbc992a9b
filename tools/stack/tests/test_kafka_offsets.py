"""Offsets of a group are wound back on a real broker, and never forward."""

from __future__ import annotations

from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shop_stack import kafka_offsets
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaLogins
from shop_stack.rights import LAB, STACK

FIRST, SECOND, NEVER_READ = (TopicPartition("orders.order.v1", partition) for partition in (0, 1, 2))


async def consumer_of(logins: KafkaLogins, group: str) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(**logins.of(STACK).client, group_id=group, enable_auto_commit=False)
    await consumer.start()
    return consumer


async def committed(logins: KafkaLogins, group: str) -> list[int | None]:
    consumer = await consumer_of(logins, group)
    try:
        consumer.assign([FIRST, SECOND, NEVER_READ])
        return [await consumer.committed(place) for place in (FIRST, SECOND, NEVER_READ)]
    finally:
        await consumer.stop()


async def test_a_group_reads_again_from_the_given_offsets_and_skips_nothing(logins: KafkaLogins) -> None:
    group = f"test-{uuid4()}"
    consumer = await consumer_of(logins, group)
    consumer.assign([FIRST, SECOND])
    await consumer.commit({FIRST: 5, SECOND: 5})
    await consumer.stop()

    firsts = {FIRST: 2, SECOND: 9, NEVER_READ: 3}
    assert await kafka_offsets.wind_back(logins.of(STACK), group, firsts) == {FIRST: 3}
    assert await committed(logins, group) == [2, 5, None]
    assert await kafka_offsets.wind_back(logins.of(STACK), group, {}) == {}


async def test_a_group_that_has_a_member_is_refused_with_the_cure(logins: KafkaLogins) -> None:
    group = f"test-{uuid4()}"
    producer = AIOKafkaProducer(**logins.of(LAB).client)
    await producer.start()
    for _ in range(3):
        await producer.send_and_wait(FIRST.topic, b"{}", partition=FIRST.partition)
    await producer.stop()
    member = AIOKafkaConsumer(
        FIRST.topic,
        **logins.of(STACK).client,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await member.start()
    try:
        await member.getone()
        await member.commit({FIRST: 3})
        with pytest.raises(UserError, match=f"`shop stop {group}`, then try again"):
            await kafka_offsets.wind_back(logins.of(STACK), group, {FIRST: 0}, patience=0)
    finally:
        await member.stop()
