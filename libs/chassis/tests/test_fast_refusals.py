"""`chassis.tuning.fast_refusals`: the parser answers a refused request as the app would have answered it.

The tuning has no effect any more when the app is called for a refusal that is not the first of its connection: then the
first test fails.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Body, FastAPI
from prometheus_client import REGISTRY
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config, Server

from chassis.postgres import Connection
from chassis.tuning.fast_refusals import protocol_for
from chassis.web import LoadShedding
from chassis.web.body_limit import BodyLimit
from chassis.web.load_shedding import LoadSheddingMiddleware
from testkit import eventually, listening

POST = b"POST /things HTTP/1.1\r\nHost: things\r\nContent-Length: 3\r\n\r\n"


async def nothing(_: Connection) -> int:
    return 0


def take(thing: Annotated[str, Body()]) -> dict[str, str]:
    return {"is": thing}


@dataclass
class RefusingServer:
    """A server with load shedding in its parser. `app_calls` are the methods of the requests that reached the app."""

    shedding: LoadShedding = field(default_factory=lambda: LoadShedding(nothing, limit=10, paths={"/things"}))
    app_calls: list[str] = field(default_factory=list)
    port: int = 0
    connections: set[Any] = field(default_factory=set)

    def asgi(self) -> ASGIApp:
        app = FastAPI()
        app.post("/things", status_code=202)(take)
        app.get("/things")(lambda: "here")
        inner = LoadSheddingMiddleware(BodyLimit(app, 1_000), self.shedding)

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            self.app_calls += [scope["method"]] if scope["type"] == "http" else []
            await inner(scope, receive, send)

        return counted

    def refuse(self) -> None:
        self.shedding.waiting = self.shedding.limit

    def accept(self) -> None:
        self.shedding.waiting = 0

    def client(self) -> httpx.AsyncClient:
        """All its requests go over one connection."""
        one = httpx.Limits(max_connections=1)
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", limits=one)


@pytest.fixture
async def refusing() -> AsyncIterator[RefusingServer]:
    refusing = RefusingServer()
    protocol = protocol_for(refusing.shedding)
    server = Server(
        Config(refusing.asgi(), "127.0.0.1", 0, http=protocol, log_config=None, timeout_keep_alive=3600)
    )
    refusing.port = await listening(server)
    refusing.connections = server.server_state.connections
    await server.on_tick(0)  # makes the Date header
    yield refusing
    await server.shutdown()


def without_date(response: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    assert "date" in response.headers
    return response.status_code, {**response.headers} | {"date": ""}, response.content


async def test_the_parser_gives_the_answer_of_the_app_without_calling_it(refusing: RefusingServer) -> None:
    refusing.refuse()
    before = REGISTRY.get_sample_value("chassis_requests_refused_total") or 0
    async with refusing.client() as http:
        of_the_app = await http.post("/things", json="1")
        of_the_parser = await http.post("/things", json="1")
    assert refusing.app_calls == ["POST"]
    assert REGISTRY.get_sample_value("chassis_requests_refused_total") == before + 2
    assert of_the_app.status_code == 429
    assert without_date(of_the_parser) == without_date(of_the_app)


async def test_a_connection_goes_on_after_a_refusal_without_its_body(refusing: RefusingServer) -> None:
    async with refusing.client() as http:
        assert (await http.post("/things", json="first")).json() == {"is": "first"}
        refusing.refuse()
        assert (await http.post("/things", json="refused" * 20_000)).status_code == 429
        assert (await http.post("/things", json="refused")).status_code == 429
        assert (await http.get("/things")).json() == "here"
        refusing.accept()
        assert (await http.post("/things", json="taken")).json() == {"is": "taken"}
    assert refusing.app_calls == ["POST", "GET", "POST"]


async def test_a_connection_is_closed_after_a_refusal_if_the_client_asks(refusing: RefusingServer) -> None:
    refusing.refuse()
    reader, writer = await asyncio.open_connection("127.0.0.1", refusing.port)
    writer.write(POST + b"111")
    await reader.readuntil(b"\r\n\r\n")
    writer.write(POST.replace(b"Host", b"Connection: close\r\nHost") + b"222")
    async with asyncio.timeout(10):
        assert b"HTTP/1.1 429 " in await reader.read()
    writer.close()


async def test_pipelined_requests_are_answered_in_their_order(refusing: RefusingServer) -> None:
    refusing.refuse()
    reader, writer = await asyncio.open_connection("127.0.0.1", refusing.port)
    get = b"GET /things HTTP/1.1\r\nHost: things\r\n\r\n"
    writer.write(
        get + POST + b"111" + get + POST + b"222" + get.replace(b"Host", b"Connection: close\r\nHost")
    )
    answers = await reader.read()
    assert [int(part[1:4]) for part in answers.split(b"HTTP/1.1")[1:]] == [200, 429, 200, 429, 200]
    writer.close()


async def test_a_client_that_does_not_read_gets_no_more_refusals_than_fit_into_a_buffer(
    refusing: RefusingServer,
) -> None:
    refusing.refuse()
    reader, writer = await asyncio.open_connection("127.0.0.1", refusing.port)
    writer.write(POST + b"111")
    first = await reader.readuntil(b"}")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write((POST + b"222") * 20_000 + POST.replace(b"Host", b"Connection: close\r\nHost") + b"333")
    (connection,) = refusing.connections

    async def waits_for_the_client() -> None:
        assert connection.flow.write_paused
        assert connection.flow.read_paused

    try:
        await eventually(waits_for_the_client)
        assert connection.transport.get_write_buffer_size() < 256 * 1024
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        answers = first + await reader.read()
        assert answers.count(b"HTTP/1.1 429") == answers.count(b"HTTP/1.1") == 20_002
    finally:
        writer.transport.abort()
