"""A proxy in front of a part, which disturbs the connections of one of its clients: it delays, resets, cuts and drips.

The disturbances take turns, each for some seconds. Connections of other clients are passed on unchanged.

    edge = Edge(to_port=43211, client=Path("run/payments.json"))
    await edge.serve(18032, seconds=5, on_change=print)
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import psutil

from shop_stack.ports import HOST

CHUNK_BYTES = 64 * 1024
DELAY_SECONDS = 0.1
"""Each chunk of bytes arrives so much later, in both directions."""
DRIP_BYTES = 512
DRIP_SECONDS = 0.02
"""A drip is DRIP_BYTES in DRIP_SECONDS: about 25 KB per second."""
RESET_SECONDS = 1.0
"""The time between two resets of all connections."""
RESET_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER with 0 seconds: closing the socket sends RST and not FIN."""


class How(StrEnum):
    """A way to disturb a connection. The value is the name of its count."""

    LATENCY = "chunks delayed"
    RESET = "connections reset"
    CUT = "chunks held up by a cut"
    DRIP = "drips"


@dataclass(eq=False)
class Link:
    """A connection of a client, and the one that leads on to the part."""

    client: asyncio.StreamWriter
    part: asyncio.StreamWriter
    is_disturbed: bool

    def reset(self) -> None:
        """End both connections by RST."""
        for side in (self.client, self.part):
            if (raw := side.get_extra_info("socket")) is not None:
                with suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
            side.transport.abort()


@dataclass
class Edge:
    """The connections to one part."""

    to_port: int
    """The port on which the part listens."""
    client: Path | None = None
    """The pid file of the client whose connections are disturbed. None: those of all clients."""
    seen: Counter[How] = field(default_factory=Counter)
    """How often each disturbance had an effect."""
    how: How = How.LATENCY
    """The present disturbance."""
    _links: set[Link] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(
        self,
        port: int,
        seconds: float,
        on_change: Callable[[Counter[How]], None],
        turn: float = RESET_SECONDS,
    ) -> None:
        """Listen on `port` until the caller is cancelled. Each disturbance lasts for `seconds`, one after the other.

        `on_change` gets the counts after each `turn` seconds. While connections are reset, none becomes older.
        """
        async with await asyncio.start_server(self.accept, HOST, port):
            for how in itertools.cycle(How):
                self.begin(how)
                for _ in range(max(1, round(seconds / turn))):
                    if how is How.RESET:
                        self.reset_all()
                    on_change(self.seen)
                    await asyncio.sleep(turn)

    def begin(self, how: How) -> None:
        """Disturb in another way."""
        self.how = how
        self._changed.set()
        self._changed = asyncio.Event()

    def reset_all(self) -> None:
        """Reset the present connections of the client."""
        for link in [each for each in self._links if each.is_disturbed]:
            link.reset()
            self._links.discard(link)
            self.seen[How.RESET] += 1

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect a client to the part, and copy bytes in both directions until both sides have ended."""
        try:
            answers, part = await asyncio.open_connection(HOST, self.to_port)
        except OSError:
            writer.transport.abort()
            return
        link = Link(writer, part, self._is_clients(writer.get_extra_info("peername")[1]))
        self._links.add(link)
        try:
            await asyncio.gather(self._copy(link, reader, part), self._copy(link, answers, writer))
        finally:
            self._links.discard(link)
            for side in (writer, part):
                side.close()
                with suppress(OSError):
                    await side.wait_closed()

    def _is_clients(self, port: int) -> bool:
        """Whether the connection from this port belongs to the client."""
        if self.client is None:
            return True
        try:
            process = psutil.Process(json.loads(self.client.read_text())["pid"])
            return any(each.laddr[1:] == (port,) for each in process.net_connections("tcp"))
        except (OSError, ValueError, psutil.Error):
            return False  # The client has just ended.

    async def _copy(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Copy until one side ends. An error ends the other direction, too."""
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                if link.is_disturbed:
                    await self._disturb(chunk, writer)
                else:
                    writer.write(chunk)
                await writer.drain()
            writer.write_eof()
            return
        writer.transport.abort()

    async def _disturb(self, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        while self.how is How.CUT:
            self.seen[How.CUT] += 1
            await self._changed.wait()
        if self.how is How.LATENCY:
            self.seen[How.LATENCY] += 1
            await asyncio.sleep(DELAY_SECONDS)
        while self.how is How.DRIP and chunk:
            self.seen[How.DRIP] += 1
            writer.write(chunk[:DRIP_BYTES])
            chunk = chunk[DRIP_BYTES:]
            await writer.drain()
            await asyncio.sleep(DRIP_SECONDS)
        writer.write(chunk)
