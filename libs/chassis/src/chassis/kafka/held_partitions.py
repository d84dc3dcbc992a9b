"""Partitions that wait behind a message that is not taken, while all others go on."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError

from chassis.backoff import Backoff
from chassis.kafka.batches import Record
from chassis.observability import metrics

log = structlog.get_logger()


@dataclass(slots=True)
class _Hold:
    """How often a partition was held in a row, and when it is read again."""

    failures: int = 0
    until: float = 0.0
    is_paused: bool = False


class HeldPartitions:
    """Pauses partitions of one client, and has them read again from the message that was not taken."""

    def __init__(self, client: AIOKafkaConsumer, backoff: Backoff) -> None:
        self._client = client
        self._backoff = backoff
        self._holds: dict[TopicPartition, _Hold] = {}

    def hold(self, left: Sequence[Record]) -> None:
        """Let the partitions of these records wait, each for longer than the last time.

        The caller has the records fetched again (`BatchFetcher.give_back`).
        """
        for at in {TopicPartition(record.topic, record.partition) for record in left}:
            hold = self._holds.setdefault(at, _Hold())
            hold.failures += 1
            pause = self._backoff.pause(hold.failures)
            hold.until = time.monotonic() + pause
            hold.is_paused = True
            with contextlib.suppress(IllegalStateError):  # the partition has moved: its new owner reads it
                self._client.pause(at)
            log.error(
                "consumer.partition_waits", topic=at.topic, partition=at.partition, retry_in=round(pause, 2)
            )
        self._show()

    def resume_due(self) -> None:
        """Have those partitions read again that have waited for long enough."""
        now = time.monotonic()
        for at, hold in self._holds.items():
            if hold.is_paused and hold.until <= now:
                hold.is_paused = False
                with contextlib.suppress(IllegalStateError):
                    self._client.resume(at)

    def release(self, taken: Sequence[Record]) -> None:
        """Records of a partition were taken, and none was left: it waits no more."""
        if self._holds:
            for record in taken:
                self._holds.pop(TopicPartition(record.topic, record.partition), None)
            self._show()

    def forget(self) -> None:
        """The partitions have gone to another replica."""
        self._holds.clear()
        self._show()

    def _show(self) -> None:
        metrics.PARTITIONS_WAITING.set(len(self._holds))
