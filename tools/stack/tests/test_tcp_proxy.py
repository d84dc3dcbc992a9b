"""The proxy passes each connection on, in both directions, and ends it when the other side ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

import pytest

from shop_stack import tcp_proxy
from shop_stack.ports import SERVICES, free_port

LOOPBACK = "127.0.0.1"
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect: TypeAlias = Callable[[int], Awaitable[Streams]]
Answer: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A service that answers when the request is complete: the request in capital letters."""
    writer.write((await reader.read()).upper())
    await end(writer)


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A service that resets its connections."""
    writer.transport.abort()


async def listening(answer: Answer) -> tuple[asyncio.Server, int]:
    """A server, and its port."""
    server = await asyncio.start_server(answer, LOOPBACK, 0)
    return server, server.sockets[0].getsockname()[1]


@pytest.fixture
async def through() -> AsyncIterator[Connect]:
    """await through(port): a connection to this port that goes through a proxy."""
    servers: list[asyncio.Server] = []
    passed_on: list[asyncio.Task[None]] = []

    async def connect(port: int) -> Streams:
        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            passed_on.append(asyncio.create_task(tcp_proxy.pass_on((LOOPBACK, port), reader, writer)))

        server, own = await listening(pass_on)
        servers.append(server)
        return await asyncio.open_connection(LOOPBACK, own)

    yield connect
    await asyncio.gather(*passed_on)
    for server in servers:
        server.close()


async def end(writer: asyncio.StreamWriter) -> None:
    """Close a connection, also one that is broken."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def test_bytes_go_in_both_directions_and_one_may_end_before_the_other(through: Connect) -> None:
    server, port = await listening(shout)
    reader, writer = await through(port)
    async with server:
        writer.write(b"order " * 50_000)
        writer.write_eof()
        assert await reader.read() == b"ORDER " * 50_000
    await end(writer)


async def test_a_service_that_hangs_up_ends_the_connection(through: Connect) -> None:
    server, port = await listening(hang_up)
    reader, writer = await through(port)
    async with server:
        assert await ended(reader)
    await end(writer)


async def test_a_service_that_is_away_ends_the_connection(through: Connect) -> None:
    reader, writer = await through(free_port())
    assert await ended(reader)
    await end(writer)


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the connection ends, by an end or by a reset."""
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


def test_each_address_has_a_port_of_its_own_beside_that_of_the_probes() -> None:
    ways = tcp_proxy.ways(SERVICES)
    assert len(set(ways.values())) == len(ways) == 2 * len(SERVICES) + 2
    assert tcp_proxy.PROBES_PORT not in ways
