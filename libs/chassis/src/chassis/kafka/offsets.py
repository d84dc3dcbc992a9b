"""Offsets: the position of each partition, committed regularly and before partitions move.

Each commit names its offsets. aiokafka's `commit()` without arguments, during a rebalance, would commit offsets of
partitions that another replica reads.
"""

import asyncio
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from chassis.errors import KAFKA
from chassis.observability.outages import OUTAGES

log = structlog.get_logger()

MAX_UNANSWERED = 3
"""After this number of commits in a row without an answer the client is stuck, as seen after a restart of a broker."""


class CommitResult(StrEnum):
    """The result of a commit."""

    COMMITTED = "committed"
    PARTITIONS_MOVED = "partitions-moved"
    """Another replica has the partitions now, and commits for them."""
    REFUSED = "refused"
    NO_ANSWER = "no-answer"


class OffsetCommitter:
    """The offsets of one client. A lost commit causes duplicates only, and redelivery is harmless."""

    def __init__(self, client: AIOKafkaConsumer, timeout_seconds: float, interval_seconds: float) -> None:
        self._client = client
        self._timeout_seconds = timeout_seconds
        self._interval_seconds = interval_seconds
        self._taken: dict[TopicPartition, int] = {}
        self._unanswered = 0

    @property
    def is_stuck(self) -> bool:
        """Whether the client no longer answers commits, so that it must be replaced."""
        return self._unanswered >= MAX_UNANSWERED

    def mark_taken(self, records: Iterable[ConsumerRecord[Any, Any]]) -> None:
        """Note that the inbox has taken these records. The next commit has their offsets."""
        for record in records:
            self._taken[TopicPartition(record.topic, record.partition)] = record.offset + 1

    def forget(self) -> None:
        """Forget all offsets that are not committed, because the partitions were revoked."""
        self._taken.clear()

    async def commit_regularly(self) -> None:
        """Commit every `interval_seconds` until cancelled. A commit per batch would need a round trip per batch."""
        while True:
            await asyncio.sleep(self._interval_seconds)
            await self.commit()

    async def commit(self) -> CommitResult:
        """Commit the offsets of taken records. Offsets that could not be committed are kept for the next commit.

        If the partitions have moved, their offsets are forgotten: another replica commits for them.
        """
        offsets = dict(self._taken)
        if not offsets:
            return CommitResult.COMMITTED
        result, error = await self._try_to_commit(offsets)
        self._unanswered = self._unanswered + 1 if result is CommitResult.NO_ANSWER else 0
        if result in (CommitResult.COMMITTED, CommitResult.PARTITIONS_MOVED):
            self._taken = {at: offset for at, offset in self._taken.items() if offsets.get(at) != offset}
        if result is CommitResult.PARTITIONS_MOVED:
            log.info("offsets.partitions_moved", error=repr(error))
        elif error is not None:
            OUTAGES.failed(KAFKA, "offsets", error)
        return result

    async def _try_to_commit(
        self, offsets: dict[TopicPartition, int]
    ) -> tuple[CommitResult, BaseException | None]:
        # The attempt is a task of its own, so that it ends here within the timeout, even if the client is stuck.
        attempt = asyncio.create_task(self._client.commit(offsets))
        await asyncio.wait([attempt], timeout=self._timeout_seconds)
        if not attempt.done():
            attempt.cancel()
            return CommitResult.NO_ANSWER, TimeoutError(f"no answer within {self._timeout_seconds} s")
        if attempt.cancelled():
            return CommitResult.NO_ANSWER, TimeoutError("the client gave the commit up")
        error = attempt.exception()
        if error is None:
            return CommitResult.COMMITTED, None
        if isinstance(error, CommitFailedError | IllegalStateError):
            return CommitResult.PARTITIONS_MOVED, error
        return CommitResult.REFUSED, error
