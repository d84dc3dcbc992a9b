"""A process gives its listening sockets to the process that replaces it, so that no connection is lost.

Both processes then have the same sockets, and with them the same accept queues. Each of the two accepts connections.
When the old process ends, it closes its own descriptors. The sockets stay open in the new process, and so does each
connection that waits in an accept queue.

The old process listens on a Unix socket (HTTP_HANDOVER_SOCKET). The new process connects to it
(HTTP_PREDECESSOR_SOCKET), receives the listening sockets (SCM_RIGHTS), and keeps this connection open until it ends. So
the old process knows whether it has a successor.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import structlog

from chassis.supervisor import cancel_and_wait

log = structlog.get_logger()

TAKE_SECONDS = 10.0
"""The longest time for which a new process waits for the sockets."""
MAX_SOCKETS = 16
MAX_MESSAGE_BYTES = 1024


class HandoverFailed(Exception):
    """The process at the Unix socket gives no listening sockets. The message names the Unix socket and the reason."""


class Listener(Protocol):
    """A listening socket, of asyncio or of uvloop."""

    def fileno(self) -> int:
        """Its file descriptor."""


Listeners = Mapping[str, Sequence[Listener]]
"""Name of a port → its listening sockets."""


@dataclass(frozen=True, slots=True)
class ReceivedSockets:
    """Listening sockets that another process has given."""

    sockets: Mapping[str, Sequence[socket.socket]]
    """Name of a port → its listening sockets."""
    connection: socket.socket | None = None
    """The connection to the other process. While it is open, the other process has a successor."""

    def close(self) -> None:
        """Tell the other process that this one ends. The listening sockets stay open."""
        if self.connection is not None:
            self.connection.close()


async def take(path: Path | None) -> ReceivedSockets:
    """Receive the listening sockets of the process that listens on the Unix socket `path`. Without a path it receives
    none.

    Close the result when this process ends. Raises SystemExit if that process gives none: the log says why.
    """
    if path is None:
        return ReceivedSockets({})
    try:
        return await asyncio.to_thread(_take, path)
    except HandoverFailed as failed:
        log.error("handover.failed", reason=str(failed))
        raise SystemExit(1) from None


def _take(path: Path) -> ReceivedSockets:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(TAKE_SECONDS)
        connection.connect(str(path))
        message, descriptors, _, _ = socket.recv_fds(connection, MAX_MESSAGE_BYTES, MAX_SOCKETS)
        received = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        counts: dict[str, int] = json.loads(message)
        if sum(counts.values()) != len(received):
            raise ValueError(f"{len(received)} sockets came, and {counts} were announced")
    except (OSError, ValueError, TypeError, AttributeError) as error:
        connection.close()
        raise HandoverFailed(f"{path} gives no listening sockets: {error}") from error
    left = iter(received)
    return ReceivedSockets({name: list(islice(left, count)) for name, count in counts.items()}, connection)


class Offer:
    """The listening sockets that this process gives to a successor."""

    def __init__(self, listeners: Listeners) -> None:
        self._listeners = listeners
        self._successors: set[asyncio.Task[None]] = set()

    @property
    def has_successor(self) -> bool:
        """Whether a process has taken the sockets, and runs now."""
        return bool(self._successors)

    async def serve(self, unix_socket: socket.socket) -> None:
        """Give the sockets to each process that connects to `unix_socket`, until this task is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                connection, _ = await loop.sock_accept(unix_socket)
                successor = asyncio.create_task(self._give(connection))
                self._successors.add(successor)
                successor.add_done_callback(self._successors.discard)
        finally:
            await cancel_and_wait(*self._successors)

    async def _give(self, connection: socket.socket) -> None:
        """Give the sockets to one process, and return when it has ended."""
        counts = {name: len(sockets) for name, sockets in self._listeners.items()}
        descriptors = [each.fileno() for sockets in self._listeners.values() for each in sockets]
        with connection, suppress(OSError):  # the process has ended already
            socket.send_fds(connection, [json.dumps(counts).encode()], descriptors)
            log.info("handover.given", sockets=counts)
            while await asyncio.get_running_loop().sock_recv(connection, MAX_MESSAGE_BYTES):
                pass  # a successor sends nothing; the end of the connection is its end
        log.info("handover.successor_ended")


@asynccontextmanager
async def offered(listeners: Listeners, path: Path | None) -> AsyncIterator[Offer]:
    """While the block runs, give `listeners` to each process that connects to the Unix socket `path`.

    Without a path no process gets them. Raises OSError if the Unix socket cannot be created.
    """
    offer = Offer(listeners)
    if path is None:
        yield offer
        return
    with _listening_at(path) as unix_socket:
        serving = asyncio.create_task(offer.serve(unix_socket))
        try:
            yield offer
        finally:
            await cancel_and_wait(serving)


@contextmanager
def _listening_at(path: Path) -> Iterator[socket.socket]:
    path.unlink(missing_ok=True)  # a process that was killed has left it
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix_socket:
        unix_socket.bind(str(path))
        try:
            path.chmod(0o600)
            unix_socket.listen()
            unix_socket.setblocking(False)
            yield unix_socket
        finally:
            path.unlink(missing_ok=True)
