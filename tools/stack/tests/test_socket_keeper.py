"""The keeper holds listening sockets between two processes: connections wait in the accept queue, and none fails."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shop_stack import socket_keeper
from shop_stack.socket_keeper import path_of, take
from testkit import eventually

SECONDS = 30.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a shop. The paths of Unix sockets are relative to it, because they must be short."""
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@asynccontextmanager
async def keeping(listener: socket.socket) -> AsyncIterator[asyncio.subprocess.Process]:
    """A keeper that has taken a listening socket from a process, which has ended since."""
    offer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    offer.bind("run/orders-1.handover")
    offer.listen()
    keeper = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "shop_stack.socket_keeper",
        "orders=run/orders-1.handover",
    )
    try:
        connection, _ = await asyncio.to_thread(offer.accept)
        socket.send_fds(connection, [json.dumps({"public": 1}).encode()], [listener.fileno()])
        for each in (connection, offer, listener):
            each.close()
        await eventually(is_listening, SECONDS)
        yield keeper
    finally:
        if keeper.returncode is None:
            keeper.kill()
        await keeper.wait()


async def is_listening() -> None:
    assert Path(path_of("orders")).exists()


def listening() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


@pytest.mark.usefixtures("folder")
async def test_a_connection_waits_until_the_keeper_is_open_and_the_next_process_answers_it() -> None:
    listener = listening()
    port = listener.getsockname()[1]
    async with keeping(listener) as keeper:
        visitor = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        visitor.sendall(b"question")
        taking = asyncio.create_task(asyncio.to_thread(take, path_of("orders")))

        async def waits() -> None:
            assert socket_keeper.WAITING.exists()
            assert json.loads(socket_keeper.WAITING.read_text()) == ["orders"]

        await eventually(waits, SECONDS)
        assert not taking.done()
        keeper.send_signal(signal.SIGUSR1)
        taken = await asyncio.wait_for(taking, SECONDS)
        assert json.loads(taken.message) == {"public": 1}
        [successor] = taken.sockets
        keeper.terminate()
        await asyncio.wait_for(keeper.wait(), SECONDS)
        assert [each.name for each in Path("run").iterdir()] == ["orders-1.handover"]
        connection, _ = await asyncio.to_thread(successor.accept)
        assert connection.recv(100) == b"question"
        for each in (connection, successor, visitor, taken.predecessor):
            each.close()


@pytest.mark.usefixtures("folder")
async def test_a_keeper_whose_predecessor_gives_nothing_ends_with_a_sentence() -> None:
    keeper = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "shop_stack.socket_keeper",
        "orders=run/orders-1.handover",
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(keeper.communicate(), SECONDS)
    assert keeper.returncode == 1
    assert errors.startswith(b"The sockets cannot be kept: ")
    assert b"Traceback" not in errors
