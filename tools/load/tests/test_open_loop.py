"""The load's own client: small, and honest about what the shop refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shop_load import open_loop as customers
from shop_load.open_loop import Customers, Sent
from shop_load.window import Refused


@asynccontextmanager
async def shop(
    answers: list[tuple[int, str]], patience: int = 10**6
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that gives these answers (status, further headers), then 202; its port, and the keys it saw.

    It closes a connection after `patience` answers.
    """
    keys: list[bytes] = []

    ended = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(done := asyncio.Event())
        answered = 0
        while answered < patience and (head := await reader.readline()):
            answered += 1
            length = 0
            while (line := await reader.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
                keys.extend([value.strip()] if name.lower() == b"idempotency-key" else [])
            await reader.readexactly(length)
            assert head.startswith(b"POST /orders ")
            status, headers = answers.pop(0) if answers else (202, "")
            body = json.dumps({"order_id": f"order-{len(keys)}"})
            writer.write(
                f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n{body}".encode()
            )
        writer.close()
        await writer.wait_closed()
        done.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], keys
    finally:
        await asyncio.gather(*(done.wait() for done in ended))
        server.close()


async def come(ports: list[int], **how: Any) -> Sent:
    """All customers at once. Beside the loop, in which the shop answers them."""
    return await asyncio.to_thread(Customers(ports, rate=0, seed=1, **how).come)


async def test_every_order_is_placed_once() -> None:
    async with shop([]) as (port, keys):
        sent = await come([port], orders=20)
    assert len(sent.orders) == len(sent.answered) == 20
    assert len(set(keys)) == 20
    assert sent.shed == 0


async def test_the_replicas_of_orders_share_the_customers() -> None:
    async with shop([]) as (one, ones_keys), shop([]) as (other, others_keys):
        sent = await come([one, other], orders=20, connections=4)
    assert len(sent.answered) == 20
    assert ones_keys
    assert others_keys
    assert len({*ones_keys, *others_keys}) == 20


async def test_an_order_that_is_shed_comes_back_with_its_key() -> None:
    async with shop([(429, "Retry-After: 0\r\n"), (503, "Retry-After: 0\r\n")]) as (port, keys):
        sent = await come([port], orders=1)
    assert len(sent.orders) == 1
    assert sent.shed == 2
    assert keys == [keys[0]] * 3


async def test_an_impatient_customer_who_is_shed_does_not_come_back() -> None:
    answers = [(429, "Retry-After: 1\r\n"), (429, "")]
    async with shop(answers) as (port, keys):
        sent = await come([port], orders=3, connections=1, impatient=True)
    assert len(keys) == sent.asked == 3
    assert (len(sent.orders), sent.shed, sent.vague, sent.left) == (1, 2, 1, 0)
    assert list(sent.keys.values()) == ["1-2"]


async def test_an_impatient_customer_does_not_queue_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(customers, "LONGEST_QUEUE", -1.0)
    async with shop([]) as (port, keys):
        sent = await come([port], orders=3, impatient=True)
    assert (sent.left, sent.asked, keys) == (3, 0, [])


async def test_an_answer_that_is_a_mistake_ends_the_run() -> None:
    async with shop([(422, "")]) as (port, _):
        with pytest.raises(Refused, match="422"):
            await come([port], orders=1)


async def test_a_connection_that_the_shop_has_closed_costs_no_order() -> None:
    async with shop([], patience=3) as (port, _):
        sent = await come([port], orders=200)
    assert len(sent.orders) == 200


async def test_a_shop_that_closes_each_connection_at_once_is_not_asked_for_ever() -> None:
    async with shop([], patience=0) as (port, _):
        with pytest.raises(Refused, match="gave no answer"):
            await come([port], orders=1)


async def test_a_patient_customer_comes_back_after_an_error_of_the_shop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(customers, "PAUSE_AFTER_FAILURE", 0.0)
    async with shop([(500, ""), (502, "")]) as (port, keys):
        sent = await come([port], orders=1, patience=60.0)
    assert keys == [keys[0]] * 3
    assert (len(sent.orders), sent.failed, sent.lost, sent.shed) == (1, 2, 0, 0)


async def test_a_patient_customer_gives_up_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(customers, "PAUSE_AFTER_FAILURE", 0.01)
    async with shop([(500, "")] * 1_000) as (port, keys):
        sent = await come([port], orders=1, patience=0.1)
    assert len(keys) > 1
    assert (len(sent.orders), sent.lost) == (0, 1)


async def test_a_shop_that_is_away_or_hangs_up_costs_patient_customers_their_orders_and_not_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(customers, "PAUSE_AFTER_FAILURE", 0.01)
    async with shop([], patience=0) as (port, _):
        assert (await come([port], orders=2, patience=0.1)).lost == 2
    assert (await come([port], orders=2, patience=0.1)).lost == 2


async def test_a_request_that_is_never_answered_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(customers, "LOOK_FOR_SILENCE", 0.05)
    closing = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await closing.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        sent = await come([server.sockets[0].getsockname()[1]], orders=1, patience=0.1)
        closing.set()
    assert (sent.lost, sent.asked) == (1, 0)


async def test_an_answer_that_is_a_mistake_of_the_customer_ends_the_run_of_patient_ones_too() -> None:
    async with shop([(422, "")]) as (port, _):
        with pytest.raises(Refused, match="422"):
            await come([port], orders=1, patience=60.0)


async def test_an_order_has_the_deadline_that_customers_give_it() -> None:
    order = next(Customers([1], orders=1, rate=0, seed=1, deadline=60)._arrivals(0.0))
    assert json.loads(order.request.partition(b"\r\n\r\n")[2])["deadline_seconds"] == 60
