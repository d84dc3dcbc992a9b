"""Connections that send half a request and nothing more. Each port of a service always has a given number of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from shop_lab.experiments.foreign_inputs.input import Tally, World
from shop_stack.ports import HOST, SERVICES

CONNECTIONS = 50
TIMED_OUT = "408"
HUNG_UP = "closed without an answer"
LINE = b"POST /admin/dead-letters/redrive HTTP/1.1\r\nHost: shop\r\n"
"""Both ports of a service read the whole request before they look at its path."""
HALF_HEAD = LINE + b"Content-Le"
HALF_BODY = LINE + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"


@dataclass
class SilentCrowd:
    """Keeps up to `connections` connections to each port of each service open.

    Connections that the service closes are replaced.
    """

    connections: int = CONNECTIONS
    _waiting: dict[int, set[asyncio.Task[None]]] = field(default_factory=dict)

    async def give(self, world: World, tally: Tally) -> None:
        """Fill up the connections to each port. Half of them send half a head, the others half a body."""
        for service in SERVICES:
            await self.fill(world.testbed.stack.ports.service(service), tally)
            await self.fill(world.testbed.stack.ports.management(service), tally)

    async def fill(self, port: int, tally: Tally) -> None:
        """Fill up the connections to one port."""
        waiting = self._waiting.setdefault(port, set())
        for number in range(self.connections - len(waiting)):
            half = HALF_HEAD if number % 2 else HALF_BODY
            task = asyncio.create_task(_wait(port, half, tally))
            waiting.add(task)
            task.add_done_callback(waiting.discard)

    async def leave(self) -> None:
        """Close every connection."""
        tasks = [task for waiting in self._waiting.values() for task in waiting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _wait(port: int, half: bytes, tally: Tally) -> None:
    """Send half a request, then wait until the service answers or closes the connection."""
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
    except OSError as error:
        tally.trouble[type(error).__name__] += 1
        return
    try:
        writer.write(half)
        answer = b""
        with suppress(ConnectionError):
            answer = await reader.read(64)
        words = answer.split()
        tally.answers[words[1].decode(errors="replace") if len(words) > 1 else HUNG_UP] += 1
    finally:
        writer.close()
