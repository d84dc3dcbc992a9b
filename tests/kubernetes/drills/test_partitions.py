"""A topic gets more partitions while customers buy, and no reader meets the events of an order in the wrong order.

More partitions move keys. So the topic's owner pauses until its readers have read everything: then what is new comes
after what is old, wherever it stands.
"""

import time
from collections.abc import Mapping

from aiokafka.admin import AIOKafkaAdminClient

from shop_observe.tail import reader
from shop_observe.topics import declared_topics
from shop_stack.target import Target
from testkit import eventually
from tests.kubernetes.drills import checks
from tests.kubernetes.drills.conftest import READY, Floor

TOPIC = "orders.order.v1"


async def test_a_topic_gets_more_partitions_in_business(floor: Floor) -> None:
    (topic,) = [one for one in declared_topics(floor.target.contracts) if one.name == TOPIC]
    old = len(await ends_of(floor.target))
    before = (await floor.get("deployment", f"{topic.owner}-worker"))["spec"]["replicas"]
    began = time.monotonic()
    async with floor.customers(at_least=60) as sales:
        await floor.scale(f"{topic.owner}-worker", 0)
        paused = time.monotonic()
        try:
            await eventually(lambda: everything_is_read(floor, topic.readers), READY)
            await widen(floor, 2 * old)
            # A consumer looks for new partitions every ten seconds; one that starts sees them at once.
            for group in topic.readers:
                await floor.kubectl("rollout", "restart", f"deployment/{group}-worker")
            await floor.ready()
        finally:
            await floor.scale(f"{topic.owner}-worker", before)
        resumed = time.monotonic()
        await eventually(lambda: the_new_ones_are_read(floor, topic.readers, range(old, 2 * old)), READY)
    await floor.judge()
    assert len(await ends_of(floor.target)) == 2 * old
    assert checks.customer_faults(sales) == []
    floor.note(
        "more partitions",
        began,
        sales,
        **{"from": old, "to": 2 * old, "owner paused for": round(resumed - paused)},
    )


async def widen(floor: Floor, partitions: int) -> None:
    """To a multiple, so that a key stays where it is or goes to a partition that is new.

    The super user logs in inside of the cluster alone.
    """
    program = ["env", "KAFKA_HEAP_OPTS=-Xmx64m", "/opt/kafka/bin/kafka-topics.sh"]
    broker = ["--bootstrap-server", "kafka:9092", "--command-config", "/etc/kafka/admin/admin.properties"]
    change = ["--alter", "--topic", TOPIC, "--partitions", str(partitions)]
    await floor.kubectl("exec", "kafka-0", "--", *program, *broker, *change)


async def everything_is_read(floor: Floor, groups: tuple[str, ...]) -> None:
    ends = await ends_of(floor.target)
    for group in groups:
        assert checks.reading_faults(await committed_by(floor.target, group), ends, new=()) == []


async def the_new_ones_are_read(floor: Floor, groups: tuple[str, ...], new: range) -> None:
    """Something came to the partitions that are new, and each group has read of them."""
    ends = {partition: end for partition, end in (await ends_of(floor.target)).items() if partition in new}
    for group in groups:
        read = await committed_by(floor.target, group)
        assert checks.reading_faults(read, ends, new) == []


async def ends_of(target: Target) -> Mapping[int, int]:
    """Partition of the topic → the offset of what comes next."""
    async with reader(target, [TOPIC]) as consumer:
        found = await consumer.end_offsets(list(consumer.assignment()))
        return {place.partition: end for place, end in found.items()}


async def committed_by(target: Target, group: str) -> Mapping[int, int]:
    """Partition of the topic → the offset up to which the group has read it."""
    admin = AIOKafkaAdminClient(**target.kafka.client)
    try:
        await admin.start()
        found = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    return {place.partition: at.offset for place, at in found.items() if place.topic == TOPIC}
