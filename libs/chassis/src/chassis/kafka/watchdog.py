"""A watchdog: it cancels a consumer that makes no progress, so that the supervisor starts it again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from chassis.errors import Unavailable
from chassis.observability import metrics

log = structlog.get_logger()

START_SECONDS = 60.0
"""Seconds for the check of the topics and for the start of a client."""
POLL_SECONDS = 60.0
"""Seconds for a poll. It usually returns within a second, even without records."""
BATCH_SECONDS = 240.0
"""Seconds for a batch. After 300 s without a poll the group would assign the partitions to another replica."""


class ConsumerStalled(Unavailable):
    """A step of the consumer took too long. The current batch is delivered again."""


class Watchdog:
    """Guards one run of a consumer, step by step."""

    def __init__(self) -> None:
        self._timeout = asyncio.timeout(None)
        self._step = ""

    @asynccontextmanager
    async def guarding(self) -> AsyncIterator[None]:
        """Cancel the block if one of its steps takes too long, and raise ConsumerStalled."""
        try:
            async with self._timeout:
                yield
        except TimeoutError as error:
            if not self._timeout.expired():
                raise
            metrics.CONSUMER_STALLS.inc()
            log.error("consumer.stalled", step=self._step)
            raise ConsumerStalled(f"no progress in the step {self._step}") from error

    def begin(self, step: str, seconds: float) -> None:
        """Begin the next step, which may take this long."""
        self._step = step
        self._timeout.reschedule(asyncio.get_running_loop().time() + seconds)
