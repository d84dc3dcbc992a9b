"""The time limits of the topics whose rows are sent together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class PageDeadline:
    """Each topic of a page has `seconds`. After one topic has acknowledged its rows, the others have `late_seconds`.

    The acknowledgement shows that Kafka accepts records. So a topic that is much later has no leader or too few
    replicas. Its rows are set aside, and the relay continues with the next page.
    """

    def __init__(self, seconds: float, late_seconds: float) -> None:
        self._seconds = seconds
        self._late_seconds = late_seconds
        self._running: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def limit(self) -> AsyncIterator[None]:
        """Limit the time of the block in which one topic is sent. At the deadline the block is cancelled, and
        TimeoutError is raised.
        """
        async with asyncio.timeout(self._seconds) as limit:
            self._running.add(limit)
            try:
                yield
            finally:
                self._running.discard(limit)

    def one_is_sent(self) -> None:
        """Note that one topic has acknowledged all of its rows. The others have `late_seconds` from now on."""
        latest = asyncio.get_running_loop().time() + self._late_seconds
        for limit in self._running:
            if not limit.expired() and (limit.when() or latest) >= latest:
                limit.reschedule(latest)
