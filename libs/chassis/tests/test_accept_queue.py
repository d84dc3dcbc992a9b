"""`chassis.tuning.accept_queue`: at SIGTERM every connection is answered, and no new one is accepted."""

import asyncio
import errno
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
import uvloop
from fastapi import FastAPI
from starlette.types import Lifespan

from chassis.tuning.accept_queue import DrainingServer, draining_for
from testkit import eventually, listening

REQUEST = b"GET /here HTTP/1.1\r\nHost: things\r\n\r\n"
OK = b"HTTP/1.1 200 OK"


def config(lifespan: Lifespan[FastAPI] | None = None) -> uvicorn.Config:
    app = FastAPI(lifespan=lifespan)
    app.get("/here")(lambda: {"is": "an answer"})
    return uvicorn.Config(app, "127.0.0.1", 0, log_config=None)


async def test_a_client_that_is_connected_when_the_server_ends_gets_an_answer() -> None:
    ending = DrainingServer(config())
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


async def test_a_client_that_keeps_its_connection_is_told_that_it_is_closed() -> None:
    ending = DrainingServer(config())
    port = await listening(ending)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    assert b"connection: close" not in (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(len(b'{"is":"an answer"}'))
    shutting = asyncio.create_task(ending.shutdown())

    async def shut() -> None:
        assert not ending.servers[0].is_serving()

    await eventually(shut)
    writer.write(REQUEST)
    assert b"connection: close" in (await reader.read()).lower()
    writer.close()
    await shutting


async def test_the_answer_to_a_request_in_progress_announces_the_close_too() -> None:
    began, may_answer = asyncio.Event(), asyncio.Event()

    async def answer_later() -> None:
        began.set()
        await may_answer.wait()

    app = FastAPI()
    app.get("/here")(answer_later)
    ending = DrainingServer(uvicorn.Config(app, "127.0.0.1", 0, log_config=None))
    reader, writer = await asyncio.open_connection("127.0.0.1", await listening(ending))
    writer.write(REQUEST)
    await began.wait()
    shutting = asyncio.create_task(ending.shutdown())

    async def shut() -> None:
        assert not ending.servers[0].is_serving()

    await eventually(shut)
    may_answer.set()
    assert b"connection: close" in (await reader.read()).lower()
    writer.close()
    await shutting


async def test_while_the_close_is_announced_new_connections_are_accepted_and_told_so() -> None:
    ending = draining_for(3600)(config())
    port = await listening(ending)
    kept, kept_writer = await asyncio.open_connection("127.0.0.1", port)
    kept_writer.write(REQUEST)
    assert b"connection: close" not in (await kept.readuntil(b"\r\n\r\n")).lower()
    await kept.readexactly(len(b'{"is":"an answer"}'))
    shutting = asyncio.create_task(ending.shutdown())
    await asyncio.sleep(0)
    kept_writer.write(REQUEST)
    assert b"connection: close" in (await kept.read()).lower()
    kept_writer.close()
    for _ in range(3):
        new, new_writer = await asyncio.open_connection("127.0.0.1", port)
        new_writer.write(REQUEST)
        assert b"connection: close" in (await new.read()).lower()
        new_writer.close()
    shutting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await shutting
    await uvicorn.Server.shutdown(ending)


@pytest.mark.parametrize("turns", range(5))
@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_connection_that_is_being_accepted_when_the_server_ends_gets_an_answer(
    new_loop: Callable[[], asyncio.AbstractEventLoop], turns: int
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        answers, _ = runner.run(end_with_connections_in_the_accept_queue(DrainingServer, turns))
    assert answers == [OK, OK, OK]


async def test_a_server_without_a_free_descriptor_ends_in_order_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        seen.append("drained")

    def none_left(_: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    ending = DrainingServer(config(lifespan))
    await listening(ending)
    monkeypatch.setattr(os, "dup", none_left)
    await ending.shutdown()
    assert seen == ["drained"]


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_connection_in_the_accept_queue_gets_an_answer(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        answers, port = runner.run(end_with_connections_in_the_accept_queue(DrainingServer))
    assert answers == [OK, OK, OK]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_uvicorn_by_itself_resets_connections_in_the_accept_queue(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """Fails when uvicorn drains the accept queue: then `chassis.tuning.accept_queue` is needless."""
    with asyncio.Runner(loop_factory=new_loop) as runner, pytest.raises(ConnectionResetError):
        runner.run(end_with_connections_in_the_accept_queue(uvicorn.Server))


async def end_with_connections_in_the_accept_queue(
    server: Callable[[uvicorn.Config], uvicorn.Server],
    turns: int = 0,
) -> tuple[list[bytes], int]:
    """End a server while three connections wait, so many turns of the loop after their beginning.

    Returns the beginning of each answer, and the port.
    """
    ending = server(config())
    port = await listening(ending)
    # With 0 turns none of them can have been accepted when the socket is closed.
    clients = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(3)]
    for client in clients:
        client.sendall(REQUEST)
    for _ in range(turns):
        await asyncio.sleep(0)
    await ending.shutdown()
    try:
        return [client.recv(len(OK)) for client in clients], port
    finally:
        for client in clients:
            client.close()
