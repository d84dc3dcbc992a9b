"""Batches: the records that the inbox handles in one transaction."""

import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError

from chassis.events import RawMessage
from chassis.inbox import Subscriptions
from chassis.kafka.paused_partitions import PausedPartitions

Record: TypeAlias = "ConsumerRecord[Any, Any]"

MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
"""A batch ends with the record that reaches this size. A batch is one transaction, which has it in memory."""

SLICE = 16
"""The number of records per request to aiokafka.

It is small, because aiokafka cannot limit a batch by bytes. The size is checked between the requests.
"""

HEADER_OVERHEAD = 64
"""The bytes of memory that a header takes in addition to its name and value."""


@dataclass(slots=True)
class _Gathered:
    """The records of a batch so far, and their size."""

    limit: int
    records: list[Record] = field(default_factory=list)
    size: int = 0

    @property
    def is_full(self) -> bool:
        return len(self.records) >= self.limit or self.size >= MAX_TRANSACTION_BYTES

    def add(self, records: Sequence[Record]) -> Sequence[Record]:
        """Add records until the batch is full. Returns the rest."""
        for number, record in enumerate(records):
            if self.is_full:
                return records[number:]
            self.records.append(record)
            self.size += _size_of(record)
        return ()

    def busiest(self) -> TopicPartition | None:
        """The partition that gave more than half of a full batch, if there is one."""
        if not self.is_full:
            return None
        counts = Counter((record.topic, record.partition) for record in self.records)
        (busiest, count), *_ = counts.most_common(1)
        return TopicPartition(*busiest) if 2 * count > len(self.records) else None


class BatchFetcher:
    """Fetches batches of at most `limit` records and about MAX_TRANSACTION_BYTES.

    A partition that gave more than half of a full batch comes last in the next one, so that the others need not wait
    until it is read.

    A batch that has only deferrable and ignored events waits for at most `defer_seconds`, until an urgent event arrives
    or the batch is full (docs/decisions/0015). A partition whose messages were not taken pauses for `retry_seconds` at
    first.
    """

    def __init__(
        self,
        client: AIOKafkaConsumer,
        subscriptions: Subscriptions,
        *,
        limit: int,
        poll_ms: int,
        defer_seconds: float,
        retry_seconds: float,
    ) -> None:
        self._client = client
        self._subscriptions = subscriptions
        self._limit = limit
        self._poll_ms = poll_ms
        self._defer_seconds = defer_seconds
        self._paused = PausedPartitions(client, retry_seconds)
        self._busiest: TopicPartition | None = None

    async def next_batch(self) -> list[Record]:
        """The next records. The list is empty if none arrived within `poll_ms` milliseconds or before a pause ended."""
        self._paused.resume_due()
        poll_ms = min(self._poll_ms, self._paused.ms_to_next_resume())
        batch = _Gathered(self._limit)
        if self._busiest is not None:
            others = [at for at in self._client.assignment() if at != self._busiest]
            if others:  # no partitions would mean all
                await self._fill(batch, 0, *others)
        await self._fill(batch, 0 if batch.records else poll_ms)
        deadline = time.monotonic() + self._defer_seconds
        while batch.records and not batch.is_full and self._subscriptions.none_urgent(batch.records):
            seconds_left = deadline - time.monotonic()
            if seconds_left <= 0:
                break
            await self._fill(batch, int(1_000 * seconds_left) + 1)
        self._busiest = batch.busiest()
        return batch.records

    def rewind(self, records: Sequence[Record]) -> None:
        """Set the positions back, so that these records are fetched again.

        Records of a partition that has moved are fetched by the replica that has it now.
        """
        for record in reversed(records):  # so that the last seek is to the first record
            with contextlib.suppress(IllegalStateError):
                self._client.seek(TopicPartition(record.topic, record.partition), record.offset)

    def pause_partitions(self, left: Sequence[Record]) -> None:
        """Pause the partitions of these records, and no others. After the pause the records are fetched again."""
        self.rewind(left)
        self._paused.pause({TopicPartition(record.topic, record.partition) for record in left})

    def reset_pauses(self, taken: Sequence[Record]) -> None:
        """Forget the pauses of the partitions of these records, because all records of the batch were taken."""
        self._paused.forget(TopicPartition(record.topic, record.partition) for record in taken)

    async def _fill(self, batch: _Gathered, timeout_ms: int, *partitions: TopicPartition) -> None:
        """Add the records that have arrived on these partitions, or on all. Wait for the first one."""
        while not batch.is_full:
            asked = min(SLICE, batch.limit - len(batch.records))
            fetched = await self._client.getmany(*partitions, timeout_ms=timeout_ms, max_records=asked)
            records = [record for partition in fetched.values() for record in partition]
            self.rewind(batch.add(records))
            if len(records) < asked:
                return
            timeout_ms = 0


def _size_of(record: Record) -> int:
    size = len(record.key or b"") + len(record.value or b"")
    return size + sum(HEADER_OVERHEAD + len(name) + len(value or b"") for name, value in record.headers)


def messages_of(records: Sequence[Record]) -> list[RawMessage]:
    """Records as messages for the inbox."""
    return [
        RawMessage(record.topic, (record.partition, record.offset), record.key, record.value, record.headers)
        for record in records
    ]


def divide(records: Sequence[Record], left: Sequence[RawMessage]) -> tuple[list[Record], list[Record]]:
    """Divide a batch into records that the inbox has taken, and records to fetch again.

    A partition has one offset, so all records after the first one that was not taken are fetched again.
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
