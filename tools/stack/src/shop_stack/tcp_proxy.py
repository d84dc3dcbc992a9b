"""The way of `shop` into a cluster: takes TCP connections in a pod of its own, and passes them on to Services.

`kubectl port-forward` leads to one pod, and a connection ends with that pod. A connection through the proxy goes to a
Service, so to a pod that is ready. The API server is no such way, because it takes the token out of each request.

It listens on the loopback of its pod. `kubectl port-forward` arrives there, and no other pod does. Only the port of the
probes is open to others.

    python -m shop_stack.tcp_proxy
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import yaml

from shop_stack import rights

LOOPBACK = "127.0.0.1"
CONTRACT = Path("contracts/topics.yaml")
"""It names the services. Its place is that in the image."""
PROBES_PORT = 8000
CHUNK_BYTES = 64 * 1024
CONNECT_SECONDS = 10.0
ALIVE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Address = tuple[str, int]
"""Name of a Service, and its port."""


def ways(services: Sequence[str]) -> dict[int, Address]:
    """Port of the proxy → the address to which it leads."""
    public = {8001 + number: (f"{name}-api", 8000) for number, name in enumerate(services)}
    management = {9001 + number: (f"{name}-management", 9000) for number, name in enumerate(services)}
    return {**public, **management, 8910: ("card-processor", 8000), 8912: ("issuer", 8000)}


async def pass_on(address: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Connect to `address`, and copy bytes in both directions until both sides have ended.

    If there is no connection, that of the client is aborted.
    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            answers, requests = await asyncio.open_connection(*address)
    except (OSError, TimeoutError):
        writer.transport.abort()
        return
    await asyncio.gather(_copy(reader, requests), _copy(answers, writer))
    for side in (writer, requests):
        side.close()
        with suppress(OSError):
            await side.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end. An error ends the other direction, too, because its connection is aborted."""
    with suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
        return
    writer.transport.abort()


async def _answer_probe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        await reader.readline()
        writer.write(ALIVE)
        await writer.drain()
    writer.close()


async def serve(services: Sequence[str]) -> None:
    """Pass connections on until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    servers = [
        await asyncio.start_server(partial(pass_on, address), LOOPBACK, port)
        for port, address in ways(services).items()
    ]
    servers.append(await asyncio.start_server(_answer_probe, "0.0.0.0", PROBES_PORT))
    await stop.wait()
    for server in servers:
        server.close()


def main() -> None:
    entries = yaml.safe_load(CONTRACT.read_text())["topics"]
    asyncio.run(serve(list(rights.services_of(entries))))


if __name__ == "__main__":
    main()
