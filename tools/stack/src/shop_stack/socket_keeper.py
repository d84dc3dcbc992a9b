"""Keeps the listening sockets of services while none of their processes runs, so that connections wait and none fails.

    python -m shop_stack.socket_keeper orders=run/orders-1.handover payments=run/payments-1.handover

It runs in the folder of a shop. It receives the sockets of each process at the Unix socket after `=`, as a successor
does (libs/chassis/src/chassis/handover.py). It accepts no connection: they wait in the accept queues. A process that
connects to `run/<service>.kept` gets the sockets of this service, but only after SIGUSR1. So it can start beforehand,
and wait. The file `run/socket-keeper.waiting` names the services whose next process waits. SIGTERM ends the program.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

TAKE_SECONDS = 10.0
MAX_SOCKETS = 16
MAX_MESSAGE_BYTES = 1024
WAITING = Path("run/socket-keeper.waiting")


def path_of(service: str) -> str:
    """The Unix socket at which the sockets of a service are given, in the folder of the shop."""
    return f"run/{service}.kept"


@dataclass(frozen=True)
class Kept:
    """The listening sockets of one service."""

    message: bytes
    """Name of a port → how many of the sockets are its own, as JSON. The sockets are in this order."""
    sockets: Sequence[socket.socket]
    predecessor: socket.socket
    """While this connection is open, the process that gave the sockets has a successor."""


def take(path: str) -> Kept:
    """Receive the listening sockets of the process at the Unix socket `path`. Raises OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(TAKE_SECONDS)
    connection.connect(path)
    message, descriptors, _, _ = socket.recv_fds(connection, MAX_MESSAGE_BYTES, MAX_SOCKETS)
    if not descriptors:
        raise OSError(f"{path} gave no sockets")
    return Kept(message, [socket.socket(fileno=each) for each in descriptors], connection)


@dataclass
class Keeper:
    """Gives the kept sockets of each service to each process that asks, once it is open."""

    kept: Mapping[str, Kept]
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: set[str] = field(default_factory=set)
    _given: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            for service in self.kept:
                group.create_task(self._serve(service, _listening_at(Path(path_of(service)))))

    async def _serve(self, service: str, listener: socket.socket) -> None:
        with listener:
            while True:
                connection, _ = await asyncio.get_running_loop().sock_accept(listener)
                task = asyncio.create_task(self._give(service, connection))
                self._given.add(task)
                task.add_done_callback(self._given.discard)

    async def _give(self, service: str, connection: socket.socket) -> None:
        """Give the sockets of a service to one process, and return when it has ended."""
        self._note_waiting(service)
        await self.opened.wait()
        kept = self.kept[service]
        with connection, suppress(OSError):  # the process has ended already
            connection.setblocking(True)
            socket.send_fds(connection, [kept.message], [each.fileno() for each in kept.sockets])
            connection.setblocking(False)
            while await asyncio.get_running_loop().sock_recv(connection, MAX_MESSAGE_BYTES):
                pass  # the end of the connection is its end

    def _note_waiting(self, service: str) -> None:
        self._waiting.add(service)
        written = WAITING.with_suffix(".new")
        written.write_text(json.dumps(sorted(self._waiting)))
        written.replace(WAITING)


def _listening_at(path: Path) -> socket.socket:
    """A listening Unix socket. Its path exists only when it listens."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(draft))
    draft.chmod(0o600)
    listener.listen()
    listener.setblocking(False)
    draft.replace(path)
    return listener


async def main(arguments: Sequence[str]) -> None:
    """Keep sockets until SIGTERM."""
    given = dict(argument.split("=", 1) for argument in arguments)
    keeper = Keeper({service: take(path) for service, path in given.items()})
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(keeper.run())
    loop.add_signal_handler(signal.SIGUSR1, keeper.opened.set)
    loop.add_signal_handler(signal.SIGTERM, running.cancel)
    with suppress(asyncio.CancelledError):
        await running
    for left in (WAITING, *(Path(path_of(service)) for service in given)):
        left.unlink(missing_ok=True)


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1:]))
    except OSError as error:
        sys.exit(f"The sockets cannot be kept: {error}")
