"""Reads topics of Kafka from their beginning to their present end, without a group."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from chassis.events import RawMessage
from chassis.kafka.batches import messages_of


class KafkaReplay:
    """One pass over topics (`chassis.replaying.Replay`)."""

    def __init__(self, client: AIOKafkaConsumer) -> None:
        self._client = client
        self._begins: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._at: dict[TopicPartition, int] = {}

    @property
    def positions(self) -> Mapping[str, int]:
        """`topic/partition` → the offset of the next message."""
        return {_name(partition): position for partition, position in self._at.items()}

    @property
    def read(self) -> int:
        """The number of offsets before the positions."""
        return sum(min(self._at[p], self._ends[p]) - self._begins[p] for p in self._ends)

    @property
    def total(self) -> int:
        """The number of offsets of the topics up to the ends."""
        return sum(self._ends[p] - self._begins[p] for p in self._ends)

    @property
    def is_finished(self) -> bool:
        """Whether all messages up to the ends were given."""
        return not self._unfinished()

    async def begin(self, saved: Mapping[str, int]) -> None:
        """Read the ends, and go to the saved positions."""
        partitions = sorted(self._client.assignment())
        self._begins = await self._client.beginning_offsets(partitions)
        self._ends = await self._client.end_offsets(partitions)
        for partition in partitions:
            begin = self._begins[partition]
            end = self._ends[partition]
            position = saved.get(_name(partition), begin)
            # A saved position outside of the topic is from an earlier topic of this name: start at the beginning.
            self._at[partition] = position if begin <= position <= end else begin
            self._client.seek(partition, self._at[partition])
            if self._at[partition] >= end:
                self._client.pause(partition)

    async def next(self, limit: int) -> Sequence[RawMessage]:
        """The next messages, at most `limit`. It is empty if none arrives within half a second."""
        unfinished = self._unfinished()
        records = await self._client.getmany(*unfinished, timeout_ms=500, max_records=limit)
        for partition in unfinished:
            self._at[partition] = await self._client.position(partition)
        return messages_of([record for batch in records.values() for record in batch])

    async def lost(self) -> set[str]:
        """The topics whose first records were deleted."""
        begins = await self._client.beginning_offsets(list(self._ends))
        return {partition.topic for partition, offset in begins.items() if offset > 0}

    def _unfinished(self) -> list[TopicPartition]:
        return [partition for partition, position in self._at.items() if position < self._ends[partition]]


@asynccontextmanager
async def replay_of_kafka(
    kafka: Mapping[str, Any], topics: Collection[str], saved: Mapping[str, int]
) -> AsyncIterator[KafkaReplay]:
    """A pass over all partitions of `topics`. It is in no group: it causes no rebalance and commits no offset."""
    client = AIOKafkaConsumer(
        *topics, **kafka, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await client.start()
    try:
        replay = KafkaReplay(client)
        await replay.begin(saved)
        yield replay
    finally:
        await client.stop()


def _name(partition: TopicPartition) -> str:
    return f"{partition.topic}/{partition.partition}"
