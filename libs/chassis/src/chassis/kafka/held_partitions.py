"""Held partitions: they are paused, because a message in them was not taken. All other partitions continue.

A held partition is not the same as a HELD dead letter: before an event becomes one, its partition is held.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError

from chassis.backoff import Backoff
from chassis.observability import metrics

log = structlog.get_logger()

LONGEST_SECONDS = 2.0
"""The pauses are short, because later messages of other keys in the partition wait, too."""


@dataclass(slots=True)
class _Hold:
    """The number of pauses of a partition in a row, and the time at which it is read again."""

    failures: int = 0
    until: float = 0.0
    is_paused: bool = False


class HeldPartitions:
    """Pauses and resumes partitions of one client, and shows their number in a metric.

    `first_seconds` is the first pause of a partition.
    """

    def __init__(self, client: AIOKafkaConsumer, first_seconds: float) -> None:
        self._client = client
        self._pauses = Backoff(first=first_seconds, longest=LONGEST_SECONDS)
        self._holds: dict[TopicPartition, _Hold] = {}
        self._show()

    def hold(self, partitions: Iterable[TopicPartition]) -> None:
        """Pause partitions, each for longer than the last time."""
        for at in partitions:
            hold = self._holds.setdefault(at, _Hold())
            hold.failures += 1
            pause = self._pauses.pause(hold.failures)
            hold.until = time.monotonic() + pause
            hold.is_paused = True
            log.warning(
                "consumer.partition_waits", topic=at.topic, partition=at.partition, retry_in=round(pause, 2)
            )
            try:
                self._client.pause(at)
            except IllegalStateError:  # it has moved to another replica, which reads it from there
                del self._holds[at]
        self._show()

    def resume_due(self) -> None:
        """Read partitions again whose pause has ended."""
        now = time.monotonic()
        for at, hold in list(self._holds.items()):
            if hold.is_paused and hold.until <= now:
                hold.is_paused = False
                try:
                    self._client.resume(at)
                except IllegalStateError:
                    del self._holds[at]
                    self._show()

    def ms_to_next_resume(self) -> int:
        """Milliseconds until a held partition is due; LONGEST_SECONDS if none is held."""
        due = [hold.until for hold in self._holds.values() if hold.is_paused]
        seconds = min(due) - time.monotonic() if due else LONGEST_SECONDS
        return 1 + int(1_000 * max(0.0, seconds))

    def release(self, partitions: Iterable[TopicPartition]) -> None:
        """Hold these partitions no longer: the message that they waited for was taken."""
        if self._holds:
            for at in partitions:
                self._holds.pop(at, None)
            self._show()

    def _show(self) -> None:
        metrics.PARTITIONS_WAITING.set(len(self._holds))
