"""A refusal that costs next to nothing is the same refusal: the door answers what the app would have answered."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated

import httpx
import pytest
from fastapi import Body, FastAPI
from prometheus_client import REGISTRY
from starlette.types import Receive, Scope, Send
from uvicorn import Config

from chassis.postgres import Connection
from chassis.web import LoadShedding
from testkit import listening

POST = b"POST /things HTTP/1.1\r\nHost: things\r\nContent-Length: 3\r\n\r\n"


async def nothing(_: Connection) -> int:
    return 0


def take(thing: Annotated[str, Body()]) -> dict[str, str]:
    return {"is": thing}


@dataclass
class House:
    """A server with a door, and what came in by it."""

    backlog: LoadShedding = field(default_factory=lambda: LoadShedding(nothing, limit=10, sheds={"/things"}))
    came_in: list[str] = field(default_factory=list)
    port: int = 0

    def app(self) -> FastAPI:
        app = FastAPI()
        app.state.backlog = self.backlog
        app.post("/things", status_code=202)(take)
        app.get("/things")(lambda: "here")
        edge = EdgeMiddleware(app.build_middleware_stack(), 1_000, self.backlog)

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            self.came_in += [scope["method"]] if scope["type"] == "http" else []
            await edge(scope, receive, send)

        app.build_middleware_stack = lambda: counted  # type: ignore[method-assign]
        return app

    def fill(self) -> None:
        self.backlog.waiting = self.backlog.limit

    def empty(self) -> None:
        self.backlog.waiting = 0

    def client(self) -> httpx.AsyncClient:
        """All its requests go over one connection."""
        one = httpx.Limits(max_connections=1)
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", limits=one)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    server = Server(Config(house.app(), "127.0.0.1", 0, http=Door, log_config=None, timeout_keep_alive=3600))
    house.port = await listening(server)
    await server.on_tick(0)  # makes the Date header
    yield house
    await server.shutdown()


def without_date(response: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    assert "date" in response.headers
    return response.status_code, {**response.headers} | {"date": ""}, response.content


async def test_the_door_gives_the_answer_of_the_app_without_asking_it(house: House) -> None:
    house.fill()
    before = REGISTRY.get_sample_value("chassis_requests_refused_total") or 0
    async with house.client() as http:
        of_the_app = await http.post("/things", json="1")
        of_the_door = await http.post("/things", json="1")
    assert house.came_in == ["POST"]
    assert REGISTRY.get_sample_value("chassis_requests_refused_total") == before + 2
    assert of_the_app.status_code == 429
    assert without_date(of_the_door) == without_date(of_the_app)


async def test_a_connection_goes_on_after_a_refusal_and_nothing_of_it_is_left(house: House) -> None:
    async with house.client() as http:
        assert (await http.post("/things", json="first")).json() == {"is": "first"}
        house.fill()
        assert (await http.post("/things", json="refused" * 20_000)).status_code == 429
        assert (await http.post("/things", json="refused")).status_code == 429
        assert (await http.get("/things")).json() == "here"
        house.empty()
        assert (await http.post("/things", json="taken")).json() == {"is": "taken"}
    assert house.came_in == ["POST", "GET", "POST"]


async def test_who_wants_the_connection_closed_gets_it_closed(house: House) -> None:
    house.fill()
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(POST + b"111")
    await reader.readuntil(b"\r\n\r\n")
    writer.write(POST.replace(b"Host", b"Connection: close\r\nHost") + b"222")
    async with asyncio.timeout(10):
        assert b"HTTP/1.1 429 " in await reader.read()
    writer.close()


async def test_requests_that_do_not_wait_for_answers_are_answered_in_their_order(house: House) -> None:
    house.fill()
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    get = b"GET /things HTTP/1.1\r\nHost: things\r\n\r\n"
    writer.write(
        get + POST + b"111" + get + POST + b"222" + get.replace(b"Host", b"Connection: close\r\nHost")
    )
    answers = await reader.read()
    assert [int(part[1:4]) for part in answers.split(b"HTTP/1.1")[1:]] == [200, 429, 200, 429, 200]
    writer.close()
