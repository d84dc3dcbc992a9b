"""A service is asked to end by SIGTERM: who is connected gets an answer, nobody else is let in."""

import asyncio
import errno
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop
from fastapi import FastAPI
from starlette.types import Lifespan
from uvicorn import Config

from testkit import eventually, listening

REQUEST = b"GET /here HTTP/1.1\r\nHost: things\r\n\r\n"


def server(lifespan: Lifespan[FastAPI] | None = None) -> Server:
    app = FastAPI(lifespan=lifespan)
    app.get("/here")(lambda: {"is": "an answer"})
    return Server(Config(app, "127.0.0.1", 0, log_config=None))


async def test_who_was_connected_when_the_end_was_asked_for_gets_an_answer() -> None:
    ending = server()
    serving = asyncio.create_task(ending._serve())

    async def listens() -> int:
        assert ending.started
        port: int = ending.servers[0].sockets[0].getsockname()[1]
        return port

    port = await eventually(listens)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    ending.handle_exit(signal.SIGTERM, None)

    async def shut() -> None:
        assert not ending.servers[0].is_serving()

    await eventually(shut)
    writer.write(REQUEST)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    await serving


async def test_an_end_with_no_descriptor_left_is_orderly_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        seen.append("drained")

    def none_left(_: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    ending = server(lifespan)
    await listening(ending)
    monkeypatch.setattr(os, "dup", none_left)
    await ending.shutdown()
    assert seen == ["drained"]


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_whom_the_kernel_had_let_in_and_nobody_had_taken_gets_an_answer(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def end_with_somebody_at_the_door() -> tuple[bytes, int]:
        ending = server()
        port = await listening(ending)
        # The loop does not turn between here and the closing of the door, so nobody can have taken them.
        clients = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(3)]
        for client in clients:
            client.sendall(REQUEST)
        await ending.shutdown()
        answers = [client.recv(15) for client in clients]
        for client in clients:
            client.close()
        assert len(set(answers)) == 1
        return answers[0], port

    with asyncio.Runner(loop_factory=new_loop) as runner:
        answer, port = runner.run(end_with_somebody_at_the_door())
    assert answer == b"HTTP/1.1 200 OK"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
