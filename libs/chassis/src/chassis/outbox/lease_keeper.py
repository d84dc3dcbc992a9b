"""Renews the leases while a page is being sent, and cancels the page when they are lost."""

import asyncio

import structlog

from chassis.backoff import wait_for_event
from chassis.outbox.leases import LEASE_SECONDS, ShardLeases
from chassis.postgres import Driver

log = structlog.get_logger()

EXTEND_SECONDS = 1.0
"""Seconds between renewals. Most pages are sent before the first renewal is due. For these no task is created."""


class LeaseKeeper:
    """Renews leases on `connection` until `end()`. `limit` is the timeout of the block that needs the leases."""

    def __init__(self, leases: ShardLeases, connection: Driver, limit: asyncio.Timeout) -> None:
        self._leases = leases
        self._connection = connection
        self._limit = limit
        self._ended = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(EXTEND_SECONDS, self._begin)

    async def end(self) -> None:
        """Stop renewing. Afterwards the connection is free."""
        self._timer.cancel()
        self._ended.set()
        if self._keeping is not None:
            await asyncio.wait([self._keeping])

    def _begin(self) -> None:
        self._keeping = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        try:
            while not self._ended.is_set():
                async with asyncio.timeout(LEASE_SECONDS):
                    await self._leases.extend(self._connection)
                self._cut_off_in(self._leases.fence.seconds_left())
                await wait_for_event(self._ended, EXTEND_SECONDS)
        except Exception as error:  # LeaseLost, or the database is unavailable: the page is cancelled at once
            log.warning("relay.lease_not_renewed", error=repr(error))
            self._cut_off_in(0.0)

    def _cut_off_in(self, seconds: float) -> None:
        if not self._ended.is_set():
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)
