"""Clients that send many requests at once, or leave their answers unread, take a bounded part of a service's memory."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from fastapi import APIRouter, Request, Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chassis.tuning import request_deadlines
from chassis.tuning.request_deadlines import MAX_HEADER_BYTES, MAX_PIPELINED
from chassis.web import GuardedRoute
from chassis.web.access import PUBLIC
from libs.chassis.tests.raw_http import ORDER, Served, served, take
from testkit import eventually

GET = b"GET /quick HTTP/1.1\r\nHost: t\r\n\r\n"
CLOSE = GET.replace(b"Host", b"Connection: close\r\nHost")
WAIT = b"GET /wait HTTP/1.1\r\nHost: t\r\n\r\n"
COUNT = b"POST /count HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n"
TOO_LARGE = b"GET /quick HTTP/1.1\r\nX-A: " + b"a" * MAX_HEADER_BYTES + b"\r\n\r\n"
SIXTY_KB = b"GET /large?kilobytes=60 HTTP/1.1\r\nHost: t\r\n\r\n"
"""Its answer is more than the kernel takes for a client that does not read, and less than pauses the writing."""
MEGABYTE = SIXTY_KB.replace(b"60", b"1024")
CHUNKED = b"POST /things HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
STATUS_LINE = b"HTTP/1.1 "


@dataclass
class Handlers:
    """Routes that wait, count and fail."""

    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    """What `GET /wait` waits for."""
    counted: int = 0
    """The number of `POST /count` that came."""

    async def wait(self) -> None:
        await self.may_end.wait()

    async def quick(self) -> None:
        pass

    async def count(self) -> None:
        self.counted += 1

    async def headers(self, request: Request) -> list[str]:
        await request.body()
        return sorted(request.headers.keys())

    async def large(self, kilobytes: int) -> Response:
        return Response(b"x" * 1024 * kilobytes)

    async def fail(self) -> None:
        raise ZeroDivisionError

    @property
    def router(self) -> APIRouter:
        router = APIRouter(route_class=GuardedRoute, dependencies=[PUBLIC])
        router.post("/things", status_code=202)(take)
        router.get("/wait")(self.wait)
        router.get("/quick")(self.quick)
        router.post("/count")(self.count)
        router.post("/headers")(self.headers)
        router.get("/large")(self.large)
        router.get("/fail")(self.fail)
        return router


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
async def service(handlers: Handlers) -> AsyncIterator[Served]:
    async with served(handlers.router, body_seconds=3600) as opened:
        yield opened


async def connection_of(service: Served) -> HttpToolsProtocol:
    """The one connection that the service has."""

    async def opened() -> HttpToolsProtocol:
        assert len(service.connections) == 1
        return service.connections[0]

    return await eventually(opened)


async def all_closed(service: Served) -> None:
    async def closed() -> None:
        assert service.connections == []

    await eventually(closed)


def statuses(answers: bytes) -> list[int]:
    return [int(answer[:3]) for answer in answers.split(STATUS_LINE)[1:]]


@pytest.mark.parametrize("behind", [GET, COUNT, TOO_LARGE, b"\0"])
async def test_a_connection_ends_with_its_answers_when_it_has_too_many_requests(
    service: Served, handlers: Handlers, behind: bytes
) -> None:
    client = await service.connect()
    sending = asyncio.create_task(client.send(WAIT + GET * MAX_PIPELINED + GET + behind + COUNT * 4_000))
    connection = await connection_of(service)

    async def is_full() -> None:
        assert len(connection.pipeline) >= MAX_PIPELINED

    await eventually(is_full)
    assert len(connection.pipeline) == MAX_PIPELINED
    handlers.may_end.set()
    answers = await client.reader.read()
    assert statuses(answers) == [200] * (1 + MAX_PIPELINED)
    assert b"connection: close" in answers.rpartition(STATUS_LINE)[2]
    assert handlers.counted == 0
    await all_closed(service)
    await asyncio.gather(sending, return_exceptions=True)


async def test_a_client_may_send_some_requests_before_it_reads_an_answer(
    service: Served, handlers: Handlers
) -> None:
    client = await service.connect()
    await client.send(WAIT + COUNT * (MAX_PIPELINED - 1) + CLOSE)
    handlers.may_end.set()
    answers = await client.reader.read()
    assert statuses(answers) == [200] * (1 + MAX_PIPELINED)
    assert handlers.counted == MAX_PIPELINED - 1


@pytest.mark.parametrize("wrong", [TOO_LARGE, b"\0", b"GET /quick HTTP/1.1\r\nContent-Length: -1\r\n\r\n"])
async def test_a_wrong_request_is_not_answered_before_an_earlier_one(
    service: Served, handlers: Handlers, wrong: bytes
) -> None:
    client = await service.connect()
    await client.send(WAIT + wrong)
    connection = await connection_of(service)

    async def has_begun() -> None:
        assert connection.cycle is not None

    await eventually(has_begun)
    handlers.may_end.set()
    assert statuses(await client.reader.read()) == [200]


@pytest.mark.parametrize("before", [b"", WAIT])
async def test_requests_behind_one_that_ends_the_connection_are_not_carried_out(
    service: Served, handlers: Handlers, before: bytes
) -> None:
    handlers.may_end.set()
    client = await service.connect()
    await client.send(before + TOO_LARGE + COUNT)
    await client.is_closed()
    await all_closed(service)
    assert handlers.counted == 0


@pytest.mark.parametrize(
    "endless",
    [b"0\r\n" + b"a:b\r\n" * 300_000, b"0\r\na:" + b"b" * 2_000_000, b"1;" + b"a" * 2_000_000],
    ids=["trailers", "one trailer", "an extension of a chunk"],
)
@pytest.mark.parametrize("is_refused", [False, True])
async def test_a_body_with_too_many_bytes_around_its_data_ends_the_connection(
    service: Served, is_refused: bool, endless: bytes
) -> None:
    client = await service.connect()
    await client.send(ORDER)
    assert await client.answer() == (202, b"2")
    service.shedding.waiting = service.shedding.limit if is_refused else 0
    connection = await connection_of(service)
    await client.send(CHUNKED)

    async def has_begun() -> None:
        assert (b"transfer-encoding", b"chunked") in connection.headers

    await eventually(has_begun)
    sending = asyncio.create_task(client.send(endless))
    await all_closed(service)
    assert len(connection.headers) == 2
    await asyncio.gather(sending, return_exceptions=True)


async def test_trailers_are_dropped(service: Served) -> None:
    client = await service.connect()
    request = CHUNKED.replace(b"things", b"headers") + b"1\r\na\r\n0\r\nX-Trailer: b\r\nX-Last: c\r\n\r\n"
    for _ in range(2):
        await client.send(request)
        assert await client.answer() == (200, b'["host","transfer-encoding"]')


async def test_a_body_in_chunks_of_one_byte_is_taken(service: Served) -> None:
    client = await service.connect()
    await client.send(CHUNKED + b"1\r\na\r\n" * 65_536 + b"0\r\n\r\n")
    assert await client.answer() == (202, b"65536")


@pytest.fixture
async def short(handlers: Handlers, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """A service that waits for its clients for a part of a second."""
    monkeypatch.setattr(request_deadlines, "HEADER_SECONDS", 0.2)
    monkeypatch.setattr(request_deadlines, "WRITE_SECONDS", 0.2)
    async with served(handlers.router) as opened:
        yield opened


@pytest.mark.parametrize(
    "then",
    [b"", CLOSE, TOO_LARGE, b"GET", b"\0", b"GET /fail HTTP/1.1\r\n\r\n"],
    ids=["kept alive", "closed by the client", "431", "408", "400", "500"],
)
async def test_a_connection_ends_although_the_client_does_not_read_the_rest_of_its_answer(
    short: Served, then: bytes
) -> None:
    short.server.config.timeout_keep_alive = 1
    client = await short.connect_and_read_nothing()
    await client.send(SIXTY_KB)
    connection = await connection_of(short)

    async def has_answered() -> None:
        assert connection.cycle is not None
        assert connection.cycle.response_complete

    if then:
        await eventually(has_answered)
        assert 0 < connection.transport.get_write_buffer_size() < 65_536
        await client.send(then)
    await all_closed(short)


async def test_a_client_that_reads_its_answer_late_gets_all_of_it(service: Served) -> None:
    client = await service.connect_and_read_nothing()
    await client.send(SIXTY_KB.replace(b"Host", b"Connection: close\r\nHost"))
    connection = await connection_of(service)

    async def is_closing() -> None:
        assert connection.transport.is_closing()

    await eventually(is_closing)
    client.writer.transport.resume_reading()  # type: ignore[attr-defined]
    answer = await client.reader.read()
    assert len(answer.partition(b"\r\n\r\n")[2]) == 60 * 1024


@pytest.mark.parametrize("stuck", [ORDER, MEGABYTE], ids=["orders", "reads"])
async def test_clients_that_do_not_read_keep_no_order_out(service: Served, stuck: bytes) -> None:
    service.shedding.in_flight_limit = 3
    for _ in range(service.shedding.in_flight_limit):
        client = await service.connect_and_read_nothing()
        await client.send(MEGABYTE + stuck)

    async def are_stuck() -> None:
        assert len(service.connections) == 3
        for connection in service.connections:
            assert connection.flow.write_paused
            assert not connection.pipeline

    await eventually(are_stuck)
    client = await service.connect()
    await client.send(ORDER)
    assert await client.answer() == (202, b"2")
    assert service.shedding.in_flight == 0
