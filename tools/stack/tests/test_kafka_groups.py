"""A static member is removed from its group, as its process does not leave by itself."""

from __future__ import annotations

from uuid import uuid4

from aiokafka import AIOKafkaConsumer

from shop_stack import kafka_groups
from shop_stack.kafka_access import KafkaAccess
from testkit import eventually

TOPIC = "orders.order.v1"


async def test_a_static_member_whose_process_has_ended_is_removed_at_once(kafka: KafkaAccess) -> None:
    group = f"things-{uuid4().hex[:8]}"
    instance = f"{group}-1"
    consumer = AIOKafkaConsumer(TOPIC, **kafka.client, group_id=group, group_instance_id=instance)
    await consumer.start()

    async def has_joined() -> None:
        assert consumer.assignment()

    await eventually(has_joined, 30)
    await consumer.stop()
    assert await kafka_groups.members(kafka, group) == 1  # a static member stays
    assert await kafka_groups.remove_static_member(kafka, group, instance)
    assert await kafka_groups.members(kafka, group) == 0
    assert not await kafka_groups.remove_static_member(kafka, group, instance)


async def test_the_partitions_of_a_static_member_are_those_that_it_reads(kafka: KafkaAccess) -> None:
    group = f"things-{uuid4().hex[:8]}"
    consumer = AIOKafkaConsumer(TOPIC, **kafka.client, group_id=group, group_instance_id=f"{group}-1")
    await consumer.start()
    try:

        async def are_known() -> None:
            reads = {(place.topic, place.partition) for place in consumer.assignment()}
            assert reads
            assert await kafka_groups.partitions_of(kafka, group, f"{group}-1") == reads

        await eventually(are_known, 30)
        assert await kafka_groups.partitions_of(kafka, group, f"{group}-2") == frozenset()
    finally:
        await consumer.stop()


async def test_the_members_are_unknown_while_the_broker_does_not_answer() -> None:
    nowhere = KafkaAccess("127.0.0.1:1")
    assert await kafka_groups.members(nowhere, "things", patience=0.5) is None
