"""`chassis.tuning.closed_connections`: a connection that was reset is an error of Kafka under uvloop, too."""

import asyncio
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import ApiVersionRequest

from chassis.tuning import closed_connections
from testkit import eventually

RESET_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER with 0 seconds: closing the socket sends RST and not FIN."""
Send = Callable[..., Any]


async def can_send(connection: AIOKafkaConnection) -> None:
    assert connection._writer is not None


async def send_until_it_fails(send: Send) -> Exception:
    """Send requests on a connection, let the peer reset it, and return the first error."""
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    server = await asyncio.start_server(lambda _, writer: accepted.put_nowait(writer), "127.0.0.1", 0)
    async with server:
        connection = AIOKafkaConnection("127.0.0.1", server.sockets[0].getsockname()[1])
        connecting = asyncio.create_task(connection.connect())  # It waits for an answer that never comes.
        peer = await accepted.get()
        peer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
        await eventually(partial(can_send, connection))
        peer.transport.abort()
        try:
            while True:
                send(connection, ApiVersionRequest()).close()
                await asyncio.sleep(0)
        except (KafkaConnectionError, RuntimeError) as error:
            return error
        finally:
            await asyncio.gather(connecting, return_exceptions=True)


def test_a_request_on_a_connection_that_has_just_ended_fails_with_an_error_of_kafka() -> None:
    error = uvloop.run(send_until_it_fails(closed_connections.send_or_fail))
    assert isinstance(error, KafkaConnectionError), error


def test_without_the_guard_the_error_is_none_that_aiokafka_handles() -> None:
    error = uvloop.run(send_until_it_fails(closed_connections._send))
    assert type(error) is RuntimeError


def test_each_client_of_a_process_sends_in_this_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AIOKafkaConnection, "send", closed_connections._send)
    closed_connections.notice_closed_connections()
    assert AIOKafkaConnection.send is closed_connections.send_or_fail
