"""Fixtures that the tests of the stack and of the command share."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from shop_stack.ports import free_base


@pytest.fixture
def base() -> int:
    """The port base of a stack for one test. A shop that runs on this machine keeps its own ports."""
    return free_base()


@pytest.fixture
def taken_port(base: int) -> Iterator[int]:
    """The port of the stack's Kafka, on which another program listens."""
    with socket.socket() as other:
        # A server sets this option, too: closed connections may occupy the port for some time.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", base + 92))
        other.listen()
        yield base + 92
