"""Sends rows only while the leases on their shards are valid, and renews the leases meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from chassis.outbox.lease_keeper import EXTEND_SECONDS, LeaseKeeper
from chassis.outbox.leases import LeaseLost, ShardLeases
from chassis.outbox.rows import OutboxRow
from chassis.outbox.set_aside import Page, RowsNotSent, Unsent
from chassis.postgres import Driver

Send = Callable[[Sequence[OutboxRow]], Awaitable[None]]
"""Sends rows in order and returns when all of them are durable.

Raises RowsNotSent if some rows cannot be sent and all others are durable. After any other error, any row may have been
sent. After a cancellation it sends no more rows.
"""


class LeasedSending:
    """A transport, `send`, under the leases of one relay."""

    def __init__(self, leases: ShardLeases, send: Send) -> None:
        self._leases = leases
        self._send = send

    async def send(self, connection: Driver, rows: Page) -> list[Unsent]:
        """Send rows, and renew the leases on `connection` meanwhile. Returns the rows that were not acknowledged.

        Raises LeaseLost if another relay has acquired a shard, or the leases could not be renewed in time. Then no more
        rows are sent.
        """
        if not rows:
            return []
        # The keeper's first renewal would be too late.
        if self._leases.fence.seconds_left() <= EXTEND_SECONDS:
            await self._leases.extend(connection)
        limit = asyncio.timeout(self._leases.fence.seconds_left())
        keeper = LeaseKeeper(self._leases, connection, limit)
        try:
            async with limit:
                await self._send(list(rows.values()))
        except RowsNotSent as error:
            return list(error.unsent)
        except TimeoutError as error:
            if limit.expired():
                raise LeaseLost("a page was cut off, because the lease is lost or not renewed") from error
            raise
        finally:
            await keeper.end()
        return []
