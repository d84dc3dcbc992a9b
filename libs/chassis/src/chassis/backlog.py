"""Shedding: when more work is waiting than can be done soon, new work is refused at once, with 429 and Retry-After.

A queue that grows helps nobody: what is in it waits longer, memory grows, and once the rush is over the queue still
has to drain. Refusing is cheap, and whoever is refused knows it at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from chassis import telemetry
from chassis.connection import Connection
from chassis.database import Database


@dataclass(slots=True)
class Backlog:
    """How much a service has in hand: `count` counts it, `limit` is how much may wait.

    POST is refused on the paths in `sheds`. `in_flight_limit` bounds what is answered at a time, for
    bursts that are quicker than the sampling.
    """

    count: Callable[[Connection], Awaitable[int]]
    limit: int
    sheds: Collection[str]
    in_flight_limit: int = 200
    waiting: int = 0
    in_flight: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def refuses(self, method: str, path: str) -> bool:
        """Whether a request is to be refused just now; counts those that are."""
        if method != "POST" or path not in self.sheds:
            return False
        self.asked.set()
        refused = self.waiting >= self.limit or self.in_flight >= self.in_flight_limit
        telemetry.REFUSED.inc(refused)
        return refused

    async def sample(self, database: Database) -> None:
        """Count again and again while requests come, until cancelled."""
        while True:
            if self.waiting < self.limit:  # else nobody would be let in who could ask
                await self.asked.wait()
            self.asked.clear()
            async with database.reading() as connection:
                self.waiting = await self.count(connection)
            await asyncio.sleep(0.25)  # seconds from one sample to the next
