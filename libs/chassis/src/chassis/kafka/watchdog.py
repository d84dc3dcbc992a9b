"""A watchdog: a consumer that makes no progress is cut off, so that its supervisor starts it again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from chassis.errors import Unavailable
from chassis.observability import metrics

log = structlog.get_logger()

START_SECONDS = 60.0
"""How long the check of the topics and the start of a client may take."""
POLL_SECONDS = 60.0
"""How long a poll may take. It returns within a second, also when there is nothing."""
BATCH_SECONDS = 240.0
"""How long a batch may be in hand. After 300 s without a poll the group would take the partitions away."""


class ConsumerStalled(Unavailable):
    """A step of the consumer took longer than it may. What it had in hand is delivered again."""


class Watchdog:
    """Guards one run of a consumer, step by step."""

    def __init__(self) -> None:
        self._timeout = asyncio.timeout(None)
        self._step = ""

    @asynccontextmanager
    async def guarding(self) -> AsyncIterator[None]:
        """Cut the block off when one of its steps takes too long. Then raises ConsumerStalled."""
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
        """The next step, and how long it may take."""
        self._step = step
        self._timeout.reschedule(asyncio.get_running_loop().time() + seconds)
