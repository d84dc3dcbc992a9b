"""A client of an experiment tries again while a service is away, and gives up at last."""

from __future__ import annotations

import asyncio

import pytest

from shop_lab.experiments import clients
from shop_lab.experiments.clients import Client
from shop_stack.errors import UserError
from shop_stack.ports import free_port
from testkit.waiting import eventually

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.write(ANSWER)
    await writer.drain()
    writer.close()


async def test_a_client_of_one_process_waits_for_its_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """It once tried 200 times without a pause, and gave up within milliseconds."""
    monkeypatch.setattr(clients, "PAUSE", 0.001)
    client = Client((free_port(),))
    asking = asyncio.create_task(client.ask(b"GET / HTTP/1.1\r\n\r\n"))

    async def has_tried_often() -> None:
        assert client.refused > 300 or asking.done()

    await eventually(has_tried_often)
    server = await asyncio.start_server(answer, "127.0.0.1", client.ports[0])
    async with server:
        assert (await asking).status == 200
    assert (client.answers, client.failures.total()) == (1, 0)


async def test_a_client_gives_up_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "PATIENCE", 0.0)
    client = Client((free_port(), free_port()))
    with pytest.raises(UserError, match="None of the ports"):
        await client.ask(b"GET / HTTP/1.1\r\n\r\n")
