"""In the place of the relay, in a shop without Kafka: all readers are in the database, and no row has to be sent."""

from collections.abc import Collection, Sequence
from typing import Any

from chassis.outbox import OutboxRow, Relay, RelayPosition
from chassis.postgres import Driver


async def send_nothing(rows: Sequence[OutboxRow]) -> None:
    """No row has to be sent."""


class NoRelay(Relay):
    """Holds the leases of a relay, and moves the positions to the present without reading a row.

    The position says which rows no relay needs any more. The job `prune` deletes old rows up to it.
    """

    def __init__(self, url: str, **more: Any) -> None:
        super().__init__(url, send_nothing, **more)

    def wake(self, shards: Collection[int]) -> None:
        """New rows need nothing. Only leases that are free are looked for at once."""
        if not shards:
            super().wake(shards)

    async def relay_once(self, connection: Driver) -> bool:
        """Move the positions to the present. There is never more to do."""
        snapshot = await connection.fetchval("SELECT pg_current_snapshot()::text")
        self.leases.advance(self.shards, RelayPosition(snapshot))
        return False
