"""Batches: the records that the inbox takes in one transaction."""

import contextlib
import time
from collections.abc import Sequence
from typing import Any, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError

from chassis.events import RawMessage
from chassis.inbox import Subscriptions
from chassis.kafka.held_partitions import HeldPartitions

Record: TypeAlias = "ConsumerRecord[Any, Any]"


class BatchFetcher:
    """Fetches batches of at most `limit` records.

    A batch of deferrable events only is held back for at most `defer_seconds`, until an urgent event arrives
    (docs/decisions/0015).
    """

    def __init__(
        self,
        client: AIOKafkaConsumer,
        subscriptions: Subscriptions,
        *,
        limit: int,
        poll_ms: int,
        defer_seconds: float,
    ) -> None:
        self._client = client
        self._subscriptions = subscriptions
        self._limit = limit
        self._poll_ms = poll_ms
        self._defer_seconds = defer_seconds
        self._held = HeldPartitions(client)

    async def next_batch(self) -> list[Record]:
        """The next records, or none if none arrived within `poll_ms` milliseconds."""
        self._held.resume_due()
        records = await self._fetch(self._poll_ms, self._limit)
        deadline = time.monotonic() + self._defer_seconds
        while 0 < len(records) < self._limit and self._subscriptions.all_deferrable(records):
            seconds_left = deadline - time.monotonic()
            if seconds_left <= 0:
                break
            records += await self._fetch(int(1_000 * seconds_left) + 1, self._limit - len(records))
        return records

    def rewind(self, records: Sequence[Record]) -> None:
        """Fetch records again. Records of partitions that have moved are fetched by the new owner."""
        for record in reversed(records):  # so that the last seek is to the first record
            with contextlib.suppress(IllegalStateError):
                self._client.seek(TopicPartition(record.topic, record.partition), record.offset)

    def pause_partitions(self, left: Sequence[Record]) -> None:
        """Fetch records again after a pause. Meanwhile their partitions wait, and no others."""
        self.rewind(left)
        self._held.hold({TopicPartition(record.topic, record.partition) for record in left})

    def resume_partitions(self, taken: Sequence[Record]) -> None:
        """All records of a batch were taken: let their partitions continue."""
        self._held.release(TopicPartition(record.topic, record.partition) for record in taken)

    async def _fetch(self, timeout_ms: int, limit: int) -> list[Record]:
        fetched = await self._client.getmany(timeout_ms=timeout_ms, max_records=limit)
        return [record for partition in fetched.values() for record in partition]


def messages_of(records: Sequence[Record]) -> list[RawMessage]:
    """Records as messages for the inbox."""
    return [
        RawMessage(record.topic, (record.partition, record.offset), record.key, record.value, record.headers)
        for record in records
    ]


def divide(records: Sequence[Record], left: Sequence[RawMessage]) -> tuple[list[Record], list[Record]]:
    """Divide a batch into records that the inbox took, and records to fetch again.

    A partition has one offset, so all records behind the first one that was not taken are fetched again.
    """
    first_left: dict[tuple[str, int], int] = {}
    for message in left:
        partition, offset = message.position
        at = (message.topic, partition)
        first_left[at] = min(offset, first_left.get(at, offset))
    done: list[Record] = []
    again: list[Record] = []
    for record in records:
        first = first_left.get((record.topic, record.partition))
        (done if first is None or record.offset < first else again).append(record)
    return done, again
