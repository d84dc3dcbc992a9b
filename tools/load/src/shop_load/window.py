"""A small HTTP client on bare sockets: one connection, one order at a time.

A comfortable client would burn more CPU than the shop, and one on an event loop a third more than this.
"""

from __future__ import annotations

import selectors
import socket
from contextlib import suppress
from typing import NamedTuple


class Order(NamedTuple):
    """When an order is due (seconds since the epoch), its Idempotency-Key, and its request."""

    moment: float
    key: str
    request: bytes


class Answer(NamedTuple):
    """Status, headers with their names in lower case, body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Refused(Exception):
    """The shop will never take this order."""


class Window:
    """One connection, at which one order at a time is placed."""

    def __init__(self, port: int, ready: selectors.BaseSelector) -> None:
        self.order: Order | None = None
        """What is being asked for; None when it was answered."""
        self._port, self._ready = port, ready
        self._line: socket.socket | None = None
        self._new, self._received = False, b""

    def ask(self, order: Order) -> None:
        """Send an order's request; on a new connection if there is none, as a server closes those that are idle."""
        self.order, self._received = order, b""
        self._new = self._line is None
        if self._line is None:
            self._line = socket.create_connection(("127.0.0.1", self._port))
            self._ready.register(self._line, selectors.EVENT_READ, self)
        with suppress(ConnectionError):  # it is closed, as reading it will show
            self._line.sendall(order.request)

    def look(self) -> Answer | None:
        """The answer, None while it is not there. A request that met a closed connection is sent again.

        Its key makes that harmless. Raises Refused if a new connection is closed as well.
        """
        assert self._line is not None
        piece = b""
        with suppress(ConnectionError):
            piece = self._line.recv(65_536)
        if piece:
            self._received += piece
            if (answer := answer_in(self._received)) is not None:
                self.order = None
            return answer
        self.close()
        if self.order is not None:
            if self._new:
                raise Refused("The shop closed a new connection and gave no answer.")
            self.ask(self.order)
        return None

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._line is not None:
            self._ready.unregister(self._line)
            self._line.close()
            self._line = None


def answer_in(received: bytes) -> Answer | None:
    """The answer that was received, None while a piece of it is missing."""
    head, whole, body = received.partition(b"\r\n\r\n")
    if not whole:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return (
        Answer(int(first.split()[1]), headers, body) if len(body) >= int(headers["content-length"]) else None
    )
