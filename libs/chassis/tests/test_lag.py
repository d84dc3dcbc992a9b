"""The lag of a consumer: messages and seconds, by topic."""

from collections.abc import Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError
from aiokafka.structs import ConsumerRecord
from prometheus_client import REGISTRY

from chassis.kafka.lag import ConsumerLag

TOPIC, OTHER = "lag.things.v1", "lag.others.v1"
FIRST, SECOND = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)


class FakeClient:
    """Knows the ends of its partitions, and the positions from which it reads."""

    def __init__(
        self, ends: Mapping[TopicPartition, int | None], positions: Mapping[TopicPartition, int]
    ) -> None:
        self.ends = dict(ends)
        self.positions = dict(positions)

    def assignment(self) -> set[TopicPartition]:
        return set(self.ends)

    def highwater(self, at: TopicPartition) -> int | None:
        end: int | None = self.ends[at]
        return end

    async def position(self, at: TopicPartition) -> int:
        if at not in self.positions:
            raise IllegalStateError("it has moved")
        position: int = self.positions[at]
        return position


def taken(at: TopicPartition, offset: int, seconds: float) -> Any:
    return ConsumerRecord(at.topic, at.partition, offset, int(seconds * 1_000), 0, None, b"", None, 0, 0, ())


def shown(topic: str = TOPIC) -> tuple[float | None, float | None]:
    return (
        REGISTRY.get_sample_value("chassis_consumer_lag_messages", {"topic": topic}),
        REGISTRY.get_sample_value("chassis_consumer_lag_seconds", {"topic": topic}),
    )


def consumed(topic: str) -> float | None:
    labels = {
        "messaging_system": "kafka",
        "messaging_operation_name": "receive",
        "messaging_destination_name": topic,
        "messaging_consumer_group_name": "lag",
    }
    return REGISTRY.get_sample_value("messaging_client_consumed_messages_total", labels)


async def test_messages_are_added_up_and_the_slowest_partition_tells_the_seconds() -> None:
    lag = ConsumerLag("lag", [TOPIC, OTHER], clock=lambda: 1_000.0)
    assert (shown(), shown(OTHER), consumed(OTHER)) == ((0, 0), (0, 0), 0)
    lag.follow(FakeClient({FIRST: 10, SECOND: 7}, {}))
    lag.mark_taken([taken(FIRST, 3, 900.0), taken(FIRST, 4, 910.0), taken(SECOND, 4, 940.0)])
    await lag.measure()
    assert shown() == (5 + 2, 90.0)
    assert consumed(TOPIC) == 3


async def test_a_partition_without_a_waiting_message_is_not_behind_however_old_its_last_one_is() -> None:
    now = 1_000.0
    client = FakeClient({FIRST: 5}, {})
    lag = ConsumerLag("lag", [TOPIC], clock=lambda: now)
    lag.follow(client)
    lag.mark_taken([taken(FIRST, 4, 10.0)])
    await lag.measure()
    assert shown() == (0, 0)
    client.ends[FIRST] = 6
    now = 1_007.0
    await lag.measure()
    assert shown() == (1, 7.0), "it counts from the last time at which none waited"


async def test_a_partition_of_which_nothing_was_taken_is_behind_by_its_position() -> None:
    now = 1_000.0
    lag = ConsumerLag("lag", [TOPIC], clock=lambda: now)
    lag.follow(FakeClient({FIRST: 100, SECOND: None}, {FIRST: 40, SECOND: 0}))
    await lag.measure()
    assert shown() == (60, 0)
    now = 1_030.0
    await lag.measure()
    assert shown() == (60, 30.0)


async def test_a_batch_that_is_not_taken_waits_although_the_client_has_handed_it_out() -> None:
    now = 1_000.0
    client = FakeClient({FIRST: 100}, {FIRST: 0})
    lag = ConsumerLag("lag", [TOPIC], clock=lambda: now)
    lag.follow(client)
    await lag.measure()
    client.positions[FIRST] = 100
    batch = [taken(FIRST, offset, 940.0 + offset) for offset in range(100)]
    lag.mark_begun(batch)
    now = 1_030.0
    await lag.measure()
    assert shown() == (100, 90.0), "the oldest of them was written at 940"
    lag.mark_begun(batch[:10])
    lag.mark_taken(batch[:10])
    lag.mark_begun(batch[10:])
    await lag.measure()
    assert shown() == (90, 81.0)


async def test_the_seconds_go_on_when_the_client_is_built_anew_in_front_of_the_same_batch() -> None:
    now = 1_000.0
    lag = ConsumerLag("lag", [TOPIC], clock=lambda: now)
    for _ in range(2):
        lag.follow(FakeClient({FIRST: 100}, {FIRST: 50}))
        await lag.measure()
        lag.mark_begun([taken(FIRST, 50, 940.0)])
        now += 30.0
        await lag.measure()
    assert shown() == (50, 120.0)


async def test_a_partition_that_has_moved_and_a_consumer_that_has_stopped_show_0() -> None:
    lag = ConsumerLag("lag", [TOPIC], clock=lambda: 1_000.0)
    lag.follow(FakeClient({FIRST: 100}, {}))
    await lag.measure()
    assert shown() == (0, 0)
    lag.follow(FakeClient({FIRST: 100}, {FIRST: 0}))
    await lag.measure()
    assert shown() == (100, 0)
    lag.follow(None)
    await lag.measure()
    assert shown() == (0, 0)
