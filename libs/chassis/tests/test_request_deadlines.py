"""Clients that send late, too much or nothing, and clients that do not read, hold up no other client."""

import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from chassis.tuning import request_deadlines
from chassis.web.body_limit import BodyLimit
from libs.chassis.tests.raw_http import ORDER, Served, served
from testkit import eventually


@pytest.fixture
async def short(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """A service whose deadlines are parts of a second."""
    for name, seconds in {"HEADER_SECONDS": 0.2, "REST_SECONDS": 1.0, "WRITE_SECONDS": 0.2}.items():
        monkeypatch.setattr(request_deadlines, name, seconds)
    async with served(body_seconds=0.2) as opened:
        yield opened


def slug(body: bytes) -> str:
    return str(json.loads(body)["type"]).rpartition(":")[2]


async def test_clients_that_never_send_their_body_do_not_keep_an_order_out() -> None:
    async with served() as opened:
        for _ in range(opened.shedding.in_flight_limit):
            client = await opened.connect()
            await client.send(b"POST /things HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n{")
        client = await opened.connect()
        await client.send(ORDER)
        assert await client.answer() == (202, b"2")
        assert opened.shedding.in_flight == 0


async def test_a_body_that_does_not_come_is_answered_408_and_the_connection_ends(short: Served) -> None:
    client = await short.connect()
    await client.send(b"POST /things HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n{")
    status, body = await client.answer()
    assert (status, slug(body)) == (408, "request-timeout")
    assert await client.is_closed()


@pytest.mark.parametrize(
    "begun", [b"\r\n", b"P", b"POST /things HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: t\r\nX-A:"]
)
async def test_headers_that_do_not_end_are_answered_408_and_the_connection_ends(
    short: Served, begun: bytes
) -> None:
    client = await short.connect()
    await client.send(begun)
    status, body = await client.answer()
    assert (status, slug(body)) == (408, "request-timeout")
    assert await client.is_closed()


async def test_headers_of_a_later_request_have_a_deadline_too(short: Served) -> None:
    client = await short.connect()
    await client.send(ORDER)
    assert (await client.answer())[0] == 202
    await client.send(b"POST /thi")
    assert (await client.answer())[0] == 408
    assert await client.is_closed()


async def test_a_connection_on_which_no_request_begins_is_closed(short: Served) -> None:
    client = await short.connect()
    assert await client.is_closed()


async def test_a_connection_that_sends_line_ends_after_an_answer_is_closed(short: Served) -> None:
    client = await short.connect()
    await client.send(ORDER)
    assert (await client.answer())[0] == 202
    await client.send(b"\r\n")
    assert await client.is_closed()


async def test_a_refused_request_whose_body_never_ends_is_closed(short: Served) -> None:
    client = await short.connect()
    await client.send(ORDER)
    assert (await client.answer())[0] == 202
    short.shedding.waiting = short.shedding.limit
    await client.send(b"POST /things HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n{")
    assert (await client.answer())[0] == 429
    assert await client.is_closed()


async def test_many_refusals_on_one_connection_do_not_count_as_one_large_request(short: Served) -> None:
    client = await short.connect()
    await client.send(ORDER)
    assert (await client.answer())[0] == 202
    short.shedding.waiting = short.shedding.limit
    for _ in range(2 * request_deadlines.MAX_HEADER_BYTES // len(ORDER)):
        await client.send(ORDER)
        assert (await client.answer())[0] == 429


@pytest.mark.parametrize("ends", [b"\r\n\r\n", b""])
async def test_headers_that_are_too_large_are_answered_431(short: Served, ends: bytes) -> None:
    client = await short.connect()
    header = b"X-A: " + b"a" * request_deadlines.MAX_HEADER_BYTES
    await client.send(b"GET /things HTTP/1.1\r\nHost: t\r\n" + header + ends)
    status, body = await client.answer()
    assert (status, slug(body)) == (431, "headers-too-large")


async def test_a_client_that_does_not_read_its_answer_is_in_flight_no_longer(short: Served) -> None:
    client = await short.connect()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await client.send(b"GET /long HTTP/1.1\r\nHost: t\r\n\r\n")

    async def begins() -> None:
        assert short.connections
        assert short.connections[0].flow.write_paused

    async def ends() -> None:
        assert short.connections == []

    await eventually(begins)
    assert short.shedding.in_flight == 0
    await eventually(ends)
    assert short.shedding.in_flight == 0


async def test_a_body_over_the_limit_ends_the_connection(short: Served) -> None:
    client = await short.connect()
    await client.send(b"POST /things HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 70_000)
    status, body = await client.answer()
    assert (status, slug(body)) == (413, "body-too-large")


async def test_an_ordinary_request_leaves_no_timer_that_ends_its_connection(short: Served) -> None:
    client = await short.connect()
    for _ in range(3):
        await client.send(ORDER)
        assert await client.answer() == (202, b"2")


@settings(max_examples=50, deadline=None)
@given(body=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=5), leaves=st.booleans())
async def test_the_app_gets_the_body_in_one_piece_or_learns_that_the_client_left(
    body: bytes, cuts: list[int], leaves: bool
) -> None:
    ends = [*sorted(cuts), len(body)]
    messages: list[Message] = []
    for start, end in zip([0, *ends], ends, strict=False):
        messages.append({"type": "http.request", "body": body[start:end], "more_body": True})
    if leaves:
        messages.append({"type": "http.disconnect"})
    else:
        messages[-1]["more_body"] = False
    got: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        got.append(await receive())

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        got.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"transfer-encoding", b"chunked")]}
    await BodyLimit(app, max_bytes=200)(scope, receive, send)
    if len(body) > 200:
        assert got[0]["status"] == 413
    elif leaves:
        assert got == [{"type": "http.disconnect"}]
    else:
        assert got == [{"type": "http.request", "body": body, "more_body": False}]
