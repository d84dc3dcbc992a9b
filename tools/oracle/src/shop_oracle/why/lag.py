"""Reads how far each group has read each partition."""

from __future__ import annotations

import asyncio
from collections import Counter

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from shop_observe.tail import LogUnreadable, reader
from shop_oracle.errors import said_by
from shop_oracle.why.facts import Facts, Lag, Place, Trouble
from shop_stack.stack import KAFKA
from shop_stack.target import Target

SECONDS = 30.0


async def read_lags(target: Target, facts: Facts) -> None:
    """Add the lag of every group to `facts`. A broker that does not answer is noted in `facts.parts`."""
    if KAFKA in facts.parts and "slow" not in facts.parts[KAFKA].what:
        return
    try:
        async with asyncio.timeout(SECONDS):
            await _read(target, facts)
    except (KafkaError, LogUnreadable, OSError, TimeoutError) as error:
        facts.parts[KAFKA] = Trouble(KAFKA, f"kafka does not answer ({said_by(error)})", "shop restart kafka")


async def _read(target: Target, facts: Facts) -> None:
    admin = AIOKafkaAdminClient(**target.kafka.client)
    async with reader(target, list(facts.topics)) as consumer:
        places = list(consumer.assignment())
        ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
        try:
            await admin.start()
            for group in {group for topic in facts.topics.values() for group in topic.readers}:
                try:
                    committed = await admin.list_consumer_group_offsets(group)
                except GroupCoordinatorNotAvailableError:
                    continue  # no group has read anything from this broker yet
                for place, end in ends.items():
                    if group in facts.topics[place.topic].readers:
                        done = committed[place].offset if place in committed else 0
                        facts.lags[Place(group, *place)] = Lag(max(0, done), end)
        finally:
            await admin.close()
    facts.partitions = dict(Counter(place.topic for place in ends))
