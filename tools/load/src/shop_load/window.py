"""A small HTTP client on plain sockets: one connection, one order at a time.

A complete HTTP client would use more CPU than the shop. A client on an event loop uses a third more CPU than this one.
"""

from __future__ import annotations

import selectors
import socket
from contextlib import suppress
from typing import NamedTuple


class Order(NamedTuple):
    """`moment` is when the order is due (seconds since the epoch), `key` its Idempotency-Key, `request` its bytes."""

    moment: float
    key: str
    request: bytes


class Answer(NamedTuple):
    """An HTTP answer. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Refused(Exception):
    """The shop refused an order, and will refuse it again."""


class Window:
    """One connection to orders, which carries one request at a time."""

    def __init__(self, port: int, ready: selectors.BaseSelector) -> None:
        self.order: Order | None = None
        """The order whose answer is missing; None if there is none."""
        self._port, self._ready = port, ready
        self._line: socket.socket | None = None
        self._new, self._received = False, b""

    def ask(self, order: Order) -> None:
        """Send the request of an order. Open a new connection if there is none: the server closes idle ones."""
        self.order, self._received = order, b""
        self._new = self._line is None
        if self._line is None:
            self._line = socket.create_connection(("127.0.0.1", self._port))
            self._ready.register(self._line, selectors.EVENT_READ, self)
        with suppress(ConnectionError):  # the server has closed it: the next read notices that
            self._line.sendall(order.request)

    def look(self) -> Answer | None:
        """The answer, or None if it is not complete. If the server closed an old connection, send the request again.

        The Idempotency-Key makes that safe. Raises Refused if the server closes a new connection, too.
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
    """The answer in the received bytes; None if it is not complete."""
    head, whole, body = received.partition(b"\r\n\r\n")
    if not whole:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return (
        Answer(int(first.split()[1]), headers, body) if len(body) >= int(headers["content-length"]) else None
    )
