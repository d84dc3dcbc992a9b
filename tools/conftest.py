"""What the tests of the stack and of the command share."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from shop_stack.ports import free_base


@pytest.fixture
def base() -> int:
    """Ports for a stack of the test's own, beside a shop that may be running."""
    return free_base()


@pytest.fixture
def taken_port(base: int) -> Iterator[int]:
    """The port of the stack's Kafka, on which another program listens."""
    with socket.socket() as other:
        # As a server does it: connections that ended a moment ago may still have the port in their names.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", base + 92))
        other.listen()
        yield base + 92
