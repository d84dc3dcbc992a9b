"""Paused partitions: a message in them was not taken, and is read again after the pause. Other partitions continue."""

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
class _Pause:
    """The number of pauses of a partition in a row, and the time at which it is read again."""

    count: int = 0
    until: float = 0.0
    is_paused: bool = False


class PausedPartitions:
    """Pauses and resumes partitions of one client. A metric has the number of partitions that wait for a message.

    `first_seconds` is the first pause of a partition. Its pauses double, up to LONGEST_SECONDS, until `forget`.
    """

    def __init__(self, client: AIOKafkaConsumer, first_seconds: float) -> None:
        self._client = client
        self._backoff = Backoff(first=first_seconds, longest=LONGEST_SECONDS)
        self._pauses: dict[TopicPartition, _Pause] = {}
        self._show()

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Pause partitions, each for about twice as long as the last time."""
        for at in partitions:
            pause = self._pauses.setdefault(at, _Pause())
            pause.count += 1
            seconds = self._backoff.pause(pause.count)
            pause.until = time.monotonic() + seconds
            pause.is_paused = True
            log.warning(
                "consumer.partition_waits", topic=at.topic, partition=at.partition, retry_in=round(seconds, 2)
            )
            try:
                self._client.pause(at)
            except IllegalStateError:  # it has moved to another replica, which reads it from there
                del self._pauses[at]
        self._show()

    def resume_due(self) -> None:
        """Read partitions again whose pause has ended."""
        now = time.monotonic()
        for at, pause in list(self._pauses.items()):
            if pause.is_paused and pause.until <= now:
                pause.is_paused = False
                try:
                    self._client.resume(at)
                except IllegalStateError:
                    del self._pauses[at]
                    self._show()

    def ms_to_next_resume(self) -> int:
        """Milliseconds until a paused partition is read again. LONGEST_SECONDS, in milliseconds, if none is paused."""
        due = [pause.until for pause in self._pauses.values() if pause.is_paused]
        seconds = min(due) - time.monotonic() if due else LONGEST_SECONDS
        return 1 + int(1_000 * max(0.0, seconds))

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget the pauses of these partitions, because the message that they waited for was taken.

        The partitions must be resumed already. Their next pause is a first one.
        """
        if self._pauses:
            for at in partitions:
                self._pauses.pop(at, None)
            self._show()

    def _show(self) -> None:
        metrics.PARTITIONS_WAITING.set(len(self._pauses))
