"""Peers that accept connections and do not answer: a server, and a proxy before a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest

import chassis.postgres.pool
from chassis.postgres import connection, deadlines


class SilentProxy:
    """Forwards to `host:port`. After `silence()` its present connections stay open and carry nothing; new ones work."""

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.opened = 0
        self.is_deaf = False
        """While it is set, new connections are silent from the start."""
        self._target = (host, port)
        self._silent: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._generation = 0

    def silence(self) -> None:
        """Every connection that is open now carries nothing any more."""
        self._generation += 1

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self._silent.append(writer)
        if self.is_deaf:
            return
        to_reader, to_writer = await asyncio.open_connection(*self._target)
        self._silent.append(to_writer)
        generation = self._generation
        for source, target in ((reader, to_writer), (to_reader, writer)):
            self._tasks.add(asyncio.create_task(self._pump(source, target, generation)))

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, generation: int
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                if generation == self._generation:
                    target.write(data)
            if generation == self._generation:
                target.close()

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for writer in self._silent:
            writer.transport.abort()


@asynccontextmanager
async def silent_proxy(url: str) -> AsyncIterator[tuple[SilentProxy, str]]:
    """A proxy before the server of `url`, and the URL that leads through it."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = SilentProxy(parts.hostname, parts.port)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    yield proxy, url.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{proxy.port}")
    server.close()
    proxy.close()


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """A server that accepts connections and never answers; its port."""
    taken: list[asyncio.StreamWriter] = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in taken:
        writer.transport.abort()


def with_short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting takes at most two seconds, and a server has a fifth of a second more than a statement."""
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 2.0)
    monkeypatch.setattr(chassis.postgres.pool, "CONNECT_SECONDS", 2.0)
    monkeypatch.setattr(deadlines, "ANSWER_LATE_SECONDS", 0.2)
