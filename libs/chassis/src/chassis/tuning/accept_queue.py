"""At shutdown the server also answers the connections that wait in the accept queue, and announces each close.

Kind: guard. Works around uvicorn.
What it does: from the beginning of the shutdown each answer says `Connection: close`. The server still accepts
connections for HTTP_ANNOUNCE_CLOSE_SECONDS. Before uvicorn closes its listening sockets this server duplicates their
descriptors, accepts every connection that is still in the accept queue, and hands it to uvicorn's protocol class with
uvicorn's own state.
Why: closing a listening socket resets the connections in its accept queue. A client that keeps its connection open may
send its next request at the moment when the server closes it, unless the last answer has announced the close.
Without it: requests fail when a service ends. Observed as 3 failed requests of 30,000 when a service ended under load.
Can be removed when: uvicorn drains the accept queue in `Server.shutdown`, and announces the close to connections that
are idle. Observed with uvicorn 0.54.
"""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import uvicorn

LAST_REQUESTS_SECONDS = 0.5
"""Seconds for a connection without a request to send one."""
LAST_ANSWER = (b"connection", b"close")


class DrainingServer(uvicorn.Server):
    """uvicorn's server, with a shutdown in five steps: announce, stop accepting, drain the queue, finish, close."""

    announce_seconds = 0.0

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Announce the close of each connection, then accept no new ones, answer those that exist, and end."""
        self._announce_close()
        await asyncio.sleep(self.announce_seconds)
        duplicates = self._duplicate_listeners()
        await self._stop_accepting()
        for descriptor in duplicates:
            await self._serve_accept_queue(descriptor)
        await asyncio.sleep(LAST_REQUESTS_SECONDS)
        await super().shutdown(sockets)

    def _announce_close(self) -> None:
        state = self.server_state
        state.default_headers = [*state.default_headers, LAST_ANSWER]
        for connection in state.connections:
            # A request that has begun keeps the headers of that moment.
            if (request := getattr(connection, "cycle", None)) is not None:
                request.default_headers = state.default_headers

    async def _stop_accepting(self) -> None:
        """Close the listening sockets, so that only their duplicates are open."""
        loop = asyncio.get_running_loop()
        for server in self.servers:
            for listener in server.sockets:
                # asyncio's own loop leaves a connection open for ever, if its server is closed between the steps
                # "accept" and "create the transport": no first step from now on, and sleep(0) for the second.
                loop.remove_reader(listener.fileno())
        await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        await asyncio.sleep(0)

    def _duplicate_listeners(self) -> list[int]:
        duplicates: list[int] = []
        with suppress(OSError):  # no descriptor is left: connections in the accept queue are reset
            for server in self.servers:
                for listener in server.sockets:
                    duplicates.append(os.dup(listener.fileno()))  # noqa: PERF401  those made before an error count
        return duplicates

    async def _serve_accept_queue(self, descriptor: int) -> None:
        protocol: Any = self.config.http_protocol_class
        create_protocol = partial(protocol, self.config, self.server_state, self.lifespan.state)
        for connection in list(_accepted(descriptor)):
            await asyncio.get_running_loop().connect_accepted_socket(create_protocol, connection)


def draining_for(seconds: float) -> type[DrainingServer]:
    """A DrainingServer that still accepts connections for this time after the beginning of its shutdown."""

    class AnnouncingServer(DrainingServer):
        announce_seconds = seconds

    return AnnouncingServer


def _accepted(descriptor: int) -> Iterator[socket.socket]:
    """Every connection in the accept queue. Closes the descriptor, and with it the listening socket."""
    with (
        socket.socket(fileno=descriptor) as listener,
        suppress(OSError),
    ):  # BlockingIOError: the queue is empty
        listener.setblocking(False)
        while True:
            yield listener.accept()[0]
