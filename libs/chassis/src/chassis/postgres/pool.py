"""A pool of connections that recovers after the server did not answer.

asyncpg's own pool is not used. If the server does not answer, that pool waits when a connection is released. The next
callers of that pool get other connections to the same server, and each of them waits until its deadline
(docs/decisions/0024).
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import asyncpg

from chassis.errors import DATABASE, DatabaseSilent, DatabaseUnavailable
from chassis.observability import metrics
from chassis.observability.outages import OUTAGES
from chassis.postgres.connection import Driver, Password, connect
from chassis.postgres.deadlines import BUSY_SECONDS, CLOSE_SECONDS, CONNECT_SECONDS


class Pool:
    """At most `size` connections to one database, each opened when it is first needed.

    A connection on which a call was cut off, by its deadline or by a cancellation, is terminated and not used again.
    When a deadline passes, all idle connections are terminated as well, because they are connected to the same server.
    """

    def __init__(
        self,
        url: str,
        size: int,
        statement_seconds: float,
        server_settings: Mapping[str, str],
        password: Password | None = None,
    ) -> None:
        self._last_progress_at = 0.0  # when a connection was last acquired, or released without an error
        self._url = url
        self._password = password
        self._statement_seconds = statement_seconds
        self._server_settings = server_settings
        self._size = size
        self._used = 0
        self._pending = 0
        self._free = asyncio.Semaphore(size)
        self._idle: list[Driver] = []
        self._metrics: metrics.PoolMetrics | None = None

    @property
    def is_busy(self) -> bool:
        """Whether all connections are in use, and one was acquired or released lately."""
        return self._free.locked() and time.monotonic() - self._last_progress_at < BUSY_SECONDS

    def measure_as(self, name: str) -> None:
        """Measure waits and connections from now on, with the label `name`."""
        self._metrics = metrics.pool_metrics(name)
        self.show()

    def show(self) -> None:
        """Set the gauges of a pool that is measured."""
        if self._metrics is not None:
            self._metrics.idle.set(len(self._idle))
            self._metrics.used.set(self._used)
            self._metrics.pending.set(self._pending)
            self._metrics.maximum.set(self._size)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Driver]:
        """A connection for the block. Raises DatabaseUnavailable if none is free and none can be opened in time."""
        await self._wait_for_a_free_one()
        self._used += 1
        try:
            driver = self._take_idle() or await self._connect()
            self._last_progress_at = time.monotonic()
            try:
                yield driver
            except BaseException as error:
                if breaks_connection(error):
                    driver.terminate()
                if isinstance(error, DatabaseSilent):
                    self.drop_idle()
                self._give_back(driver)
                raise
            self._last_progress_at = time.monotonic()
            OUTAGES.answered(DATABASE)
            self._give_back(driver)
        finally:
            self._used -= 1
            self._free.release()

    def drop_idle(self) -> None:
        """Terminate the idle connections, so that new ones are opened."""
        while self._idle:
            self._idle.pop().terminate()

    async def close(self) -> None:
        """Close the idle connections within CLOSE_SECONDS. Connections in use are not closed."""
        idle = self._idle
        self._idle = []
        await asyncio.gather(*(_close(driver) for driver in idle))

    async def _wait_for_a_free_one(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            self._count_wait(0.0)
            return
        began_at = time.monotonic()
        self._pending += 1
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._free.acquire()
        except TimeoutError as error:
            if self._metrics is not None:
                self._metrics.timeouts.inc()
            raise DatabaseUnavailable("no connection is free") from error
        finally:
            self._pending -= 1
        self._count_wait(time.monotonic() - began_at)

    def _count_wait(self, seconds: float) -> None:
        if self._metrics is not None:
            self._metrics.wait.observe(seconds)

    def _take_idle(self) -> Driver | None:
        while self._idle:
            driver = self._idle.pop()
            if not driver.is_closed():
                return driver
        return None

    async def _connect(self) -> Driver:
        return await connect(self._url, self._statement_seconds, self._server_settings, self._password)

    def _give_back(self, driver: Driver) -> None:
        if driver.is_closed():
            return
        if driver.is_in_transaction():
            driver.terminate()
        else:
            self._idle.append(driver)


def breaks_connection(error: BaseException) -> bool:
    """Whether a connection must not be used again after this error, because its state is unknown."""
    if isinstance(error, Exception):
        return isinstance(error, TimeoutError | OSError | asyncpg.InterfaceError)
    return True


async def _close(driver: Driver) -> None:
    with contextlib.suppress(Exception):
        await driver.close(timeout=CLOSE_SECONDS)
    driver.terminate()
