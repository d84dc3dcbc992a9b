"""Leases: the shards of each relay, and its position in each shard.

Shard n goes to a relay whose process consumes partition n of the topics that the service reads. In a topic of twelve
partitions, a key's partition and its shard have the same number (docs/decisions/0014). Shards that no process consumes
are divided evenly among all relays.
"""

import asyncio
import json
import time
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple
from uuid import uuid4

import structlog

from chassis.errors import Unavailable
from chassis.outbox.fence import Fence
from chassis.outbox.sharding import CHANNEL
from chassis.postgres import Driver, Statements

log = structlog.get_logger()

LEASE_SECONDS = 6.0
MARGIN_SECONDS = 1.0
"""The fence closes this long before the leases end, so that records in flight reach the broker while the leases are
still valid."""

_statements = Statements(__package__)


class LeaseLost(Unavailable):
    """Another relay has acquired a shard of this one, or may have acquired it."""


class RelayPosition(NamedTuple):
    """The position in a shard: all rows that are visible in `snapshot` were sent, or set aside.

    A window is the set of rows between two snapshots. While a window is sent in pages, `window_end` is its second
    snapshot, and its rows with an id up to `after_id` were sent or set aside. Otherwise `window_end` is None.
    """

    snapshot: str
    window_end: str | None = None
    after_id: int = 0


class ShardLeases:
    """The leases of one relay. `preferred_shards()` returns the shards that have the numbers of its process's
    partitions, modulo 12.

    `fence` is open while the leases are valid by this process's own clock, less MARGIN_SECONDS.
    """

    def __init__(self, preferred_shards: Callable[[], Collection[int]], fence: Fence | None = None) -> None:
        self.owner = uuid4()
        self.positions: dict[int, RelayPosition] = {}
        self.shards_lock = asyncio.Lock()
        """`Retries` holds it while it tries rows, and the relay while it changes its shards. So no shard is released
        during a try. The relay does not need this lock to send its pages.
        """
        self.up_to_date = asyncio.Event()
        """Cleared while a renewal waits for `shards_lock`. Then `Retries` begins no try before the renewal."""
        self.up_to_date.set()
        self.fence = fence or Fence()
        self.fence.close()
        self._logged: set[int] = set()
        self._preferred_shards = preferred_shards

    def shards_at(self, position: RelayPosition) -> list[int]:
        """The shards whose position is `position`."""
        return [shard for shard, at in self.positions.items() if at == position]

    def advance(self, shards: Iterable[int], position: RelayPosition) -> None:
        """Set the position of these shards. The next renewal saves it."""
        self.positions |= dict.fromkeys(shards, position)

    async def renew(self, connection: Driver, seconds: float = LEASE_SECONDS) -> None:
        """Save the positions, renew the leases, release shards that another relay should have, and acquire free ones.

        It is three statements, each in its own transaction, so a process that is frozen between them holds no lock.
        """
        asked_at = time.monotonic()
        await self._report(connection, seconds)
        await self._save_positions(connection)
        records = await connection.fetch(_statements.raw("divide_shards"), self.owner, seconds, CHANNEL)
        positions = {shard: RelayPosition(*position) for shard, *position in records}
        # No log line if a relay starts again with the same shards, as it does during an outage.
        if positions and positions.keys() != self._logged:
            self._logged = set(positions)
            log.info("relay.shards_changed", shards=sorted(positions))
        self.positions = positions
        self.fence.until = asked_at + seconds - MARGIN_SECONDS

    async def extend(self, connection: Driver) -> None:
        """Save the positions and renew the leases while rows are being sent. No shard is released or acquired.

        Raises LeaseLost.
        """
        asked_at = time.monotonic()
        await self._report(connection, LEASE_SECONDS)
        await self._save_positions(connection)
        records = await connection.fetch(_statements.raw("extend_leases"), self.owner, LEASE_SECONDS)
        if not self.positions.keys() <= {record["shard"] for record in records}:
            self.fence.close()
            raise LeaseLost("another relay has acquired a shard of this one")
        self.fence.until = asked_at + LEASE_SECONDS - MARGIN_SECONDS

    async def release_all(self, connection: Driver) -> None:
        """Save the positions and release all shards, so that other relays acquire them at once."""
        self.fence.close()
        await self.renew(connection, seconds=0.0)

    def forget(self) -> None:
        """Forget all shards, because the connection is lost."""
        self.fence.close()
        self.positions = {}

    async def _report(self, connection: Driver, seconds: float) -> None:
        consumed = sorted(self._preferred_shards())
        await connection.execute(_statements.raw("report_member"), self.owner, seconds, consumed)

    async def _save_positions(self, connection: Driver) -> None:
        reached = [
            {"shard": shard, "snapshot": at.snapshot, "upper": at.window_end, "after_id": at.after_id}
            for shard, at in self.positions.items()
        ]
        if reached:
            await connection.execute(_statements.raw("save_positions"), self.owner, json.dumps(reached))
