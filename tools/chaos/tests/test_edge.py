"""The proxy in front of a part delays, resets, cuts and drips what goes through it, and leaves other clients alone."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from shop_chaos.edge import DRIP_BYTES, Edge, How
from shop_stack.ports import HOST, free_port
from testkit import eventually

Serve: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
TEXT = b"x" * (2 * DRIP_BYTES + 1)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A part that answers each line with the same line."""
    with suppress(OSError):
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


class Proxied:
    """A part behind a proxy whose disturbance the test chooses."""

    def __init__(self, edge: Edge, port: int) -> None:
        self.edge = edge
        self.port = port

    async def answer(self) -> bytes:
        """The answer to a line that goes through the proxy; empty if the connection is reset."""
        reader, writer = await asyncio.open_connection(HOST, self.port)
        try:
            writer.write(TEXT + b"\n")
            return await reader.readline()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


@pytest.fixture
async def proxied() -> AsyncIterator[Proxied]:
    served: list[asyncio.Task[None]] = []

    async def listening(serve: Serve) -> tuple[asyncio.Server, int]:
        def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            served.append(asyncio.create_task(serve(reader, writer)))

        server = await asyncio.start_server(take, HOST, 0)
        return server, server.sockets[0].getsockname()[1]

    part, behind = await listening(echo)
    edge = Edge(behind)
    proxy, port = await listening(edge.accept)
    yield Proxied(edge, port)
    edge.begin(How.LATENCY)  # lets go what a cut still holds
    await asyncio.gather(*served)
    proxy.close()
    part.close()


@pytest.mark.parametrize(("how", "least"), [(How.LATENCY, 2), (How.DRIP, 6)])
async def test_what_is_delayed_or_dripped_arrives_whole(proxied: Proxied, how: How, least: int) -> None:
    proxied.edge.begin(how)
    assert await proxied.answer() == TEXT + b"\n"
    assert set(proxied.edge.seen) == {how}
    assert proxied.edge.seen[how] >= least


async def test_what_is_held_up_by_a_cut_arrives_after_it(proxied: Proxied) -> None:
    proxied.edge.begin(How.CUT)
    answer = asyncio.create_task(proxied.answer())

    async def is_held_up() -> None:
        assert proxied.edge.seen[How.CUT] > 0

    await eventually(is_held_up, 5)
    assert not answer.done()
    proxied.edge.begin(How.LATENCY)
    assert await answer == TEXT + b"\n"


async def test_an_open_connection_is_reset(proxied: Proxied) -> None:
    proxied.edge.begin(How.CUT)
    answer = asyncio.create_task(proxied.answer())

    async def is_reset() -> None:
        proxied.edge.reset_all()
        assert proxied.edge.seen[How.RESET] == 1

    await eventually(is_reset, 5)
    assert await answer == b""


async def test_another_client_is_not_disturbed(proxied: Proxied, tmp_path: Path) -> None:
    pid_file = tmp_path / "payments.json"
    pid_file.write_text(json.dumps({"pid": os.getppid()}))
    proxied.edge.client = pid_file
    proxied.edge.begin(How.CUT)
    assert await proxied.answer() == TEXT + b"\n"
    assert proxied.edge.seen == Counter()
    pid_file.write_text(json.dumps({"pid": os.getpid()}))
    proxied.edge.begin(How.LATENCY)
    assert await proxied.answer() == TEXT + b"\n"
    assert proxied.edge.seen[How.LATENCY] == 2


async def test_a_part_that_is_down_refuses_through_the_proxy(proxied: Proxied) -> None:
    proxied.edge.to_port = free_port()
    assert await proxied.answer() == b""


async def test_the_disturbances_take_turns(proxied: Proxied) -> None:
    told: list[How] = []
    port = free_port()
    serving = asyncio.create_task(
        proxied.edge.serve(port, 0.01, lambda _: told.append(proxied.edge.how), turn=0.01)
    )

    async def all_had_a_turn() -> None:
        assert told[: len(How)] == list(How)

    await eventually(all_had_a_turn, 5)
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving
