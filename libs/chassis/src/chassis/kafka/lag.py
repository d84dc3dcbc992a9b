"""The lag of a process: how far it is behind in its partitions, in messages and in seconds, by topic.

The broker tells the end of a partition with each answer to a fetch. While a partition is not fetched, because its
messages wait in the client or the partition is paused, the end is that of the last answer. So while nothing is taken
the number of messages may stand still. The seconds grow.

The client's own position is behind the messages that it has handed out. So the first message of a batch is noted before
the inbox begins with it: a batch that is not taken is a part of the lag.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError

from chassis.observability import metrics

Record: TypeAlias = "ConsumerRecord[Any, Any]"
POSITION_SECONDS = 0.2
"""Seconds to wait for the position of a partition of which no message was taken yet. A newer client has it at once."""


class _Reached(NamedTuple):
    """The next offset to take, and when the last message that was taken was written, in seconds since the epoch.

    While none was taken, it is the time at which the first one to take was written.
    """

    offset: int
    written_at: float


class ConsumerLag:
    """The lag of one process. `clock` returns seconds since the epoch, as the producers' clocks do."""

    def __init__(self, group: str, topics: Collection[str], clock: Callable[[], float] = time.time) -> None:
        self._group = group
        self._topics = topics
        self._clock = clock
        self.client: AIOKafkaConsumer | None = None
        self._reached: dict[TopicPartition, _Reached] = {}
        self._none_waited_at: dict[TopicPartition, float] = {}
        self._first_seen_at: dict[TopicPartition, float] = {}
        self.batch_seconds = metrics.PROCESS_DURATION.labels("kafka", "process", group)
        metrics.FETCHED.start_at_zero(("kafka", "receive", topic, group) for topic in sorted(topics))
        self._show({})

    def follow(self, client: AIOKafkaConsumer | None) -> None:
        """Measure the partitions of this client from now on, or of none."""
        self.client = client
        self._reached.clear()
        self._none_waited_at.clear()
        self._first_seen_at.clear()

    def mark_begun(self, records: Sequence[Record]) -> None:
        """Note that the inbox begins with these records. They are in the order of their offsets."""
        for record in records:
            at = TopicPartition(record.topic, record.partition)
            self._reached.setdefault(at, _Reached(record.offset, record.timestamp / 1_000))

    def mark_taken(self, records: Sequence[Record]) -> None:
        """Note that the inbox has taken these records. They are in the order of their offsets."""
        last = {(record.topic, record.partition): record for record in records}
        for at, record in last.items():
            self._reached[TopicPartition(*at)] = _Reached(record.offset + 1, record.timestamp / 1_000)
        for topic, number in Counter([record.topic for record in records]).items():
            metrics.FETCHED["kafka", "receive", topic, self._group].inc(number)

    async def measure(self) -> None:
        """Set the gauges of this process's lag."""
        client = self.client
        waiting = {}
        for at in client.assignment() if client is not None else ():
            waiting[at] = await self._messages_behind(client, at)
        self._show(waiting)

    async def _messages_behind(self, client: AIOKafkaConsumer, at: TopicPartition) -> int:
        reached = self._reached.get(at)
        try:
            end: int | None = client.highwater(at)
            if end is None:  # not fetched yet
                return 0
            if reached is not None:
                return max(0, end - reached.offset)
            async with asyncio.timeout(POSITION_SECONDS):
                position: int = await client.position(at)
                return max(0, end - position)
        except (IllegalStateError, TimeoutError):  # the partition has moved, or has no position yet
            return 0

    def _show(self, waiting: dict[TopicPartition, int]) -> None:
        messages = dict.fromkeys(self._topics, 0)
        seconds = dict.fromkeys(self._topics, 0.0)
        now = self._clock()
        for at, number in waiting.items():
            messages[at.topic] = messages.get(at.topic, 0) + number
            seconds[at.topic] = max(seconds.get(at.topic, 0.0), self._seconds_behind(at, number, now))
        for topic, number in messages.items():
            metrics.LAG_MESSAGES.labels(topic).set(number)
            metrics.LAG_SECONDS.labels(topic).set(seconds[topic])

    def _seconds_behind(self, at: TopicPartition, waiting: int, now: float) -> float:
        """Seconds since `_Reached.written_at`, or since no message waited, if that was later."""
        if not waiting:
            self._none_waited_at[at] = now
            return 0.0
        reached, none_waited_at = self._reached.get(at), self._none_waited_at.get(at)
        if reached is not None:
            return max(0.0, now - max(none_waited_at or 0.0, reached.written_at))
        # Of a partition that is new to this process, nothing is known: it is behind from now on.
        return now - (none_waited_at or self._first_seen_at.setdefault(at, now))
