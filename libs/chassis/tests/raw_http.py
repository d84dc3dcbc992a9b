"""A service on a port with load shedding, and clients that send it bytes of their choice."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import SecretStr
from uvicorn import Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chassis.server import server_of
from chassis.service import build_service
from chassis.settings import ServiceSettings
from chassis.web import GuardedRoute, LoadShedding
from chassis.web.access import PUBLIC
from testkit import listening

NOWHERE = "postgresql://things:x@127.0.0.1:1/things"
ORDER = b"POST /things HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}"

router = APIRouter(route_class=GuardedRoute, dependencies=[PUBLIC])


@router.post("/things", status_code=202)
async def take(request: Request) -> int:
    return len(await request.body())


@router.get("/long")
async def long() -> StreamingResponse:
    return StreamingResponse(b"x" * 65_536 for _ in range(1_000))


async def none_waiting(_: object) -> int:
    return 0


class Client:
    """One connection that sends and receives bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of one answer with a Content-Length."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length"))
        return int(head.split()[1]), await self.reader.readexactly(length)

    async def is_closed(self) -> bool:
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True


class Served:
    """A service on a port, with load shedding."""

    def __init__(self, server: Server, port: int, shedding: LoadShedding) -> None:
        self.server = server
        self.shedding = shedding
        self._port = port
        self._clients: list[Client] = []

    @property
    def connections(self) -> list[HttpToolsProtocol]:
        """The connections that the server still has."""
        return [*self.server.server_state.connections]  # type: ignore[list-item]

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self._port))
        self._clients.append(client)
        return client

    async def connect_and_read_nothing(self) -> Client:
        """A client for which the kernel keeps a few kilobytes of what is sent to it."""
        self.server.servers[0].sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        client_socket = socket.socket()
        client_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_304)
        client_socket.connect(("127.0.0.1", self._port))
        client = Client(*await asyncio.open_connection(sock=client_socket))
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for client in self._clients:
            client.writer.close()


@asynccontextmanager
async def served(router: APIRouter = router, **more: float) -> AsyncIterator[Served]:
    shedding = LoadShedding(none_waiting, limit=10, paths={"/things"})
    values = {"service_name": "things", "kafka_bootstrap_servers": "127.0.0.1:1", "http_port": 0}
    service = build_service(
        ServiceSettings.model_validate(
            {**values, "database_url": SecretStr(NOWHERE), "SHOP_ROLE": "api", **more}
        ),
        router=router,
        load_shedding=shedding,
    )
    server = server_of(service)
    served = Served(server, await listening(server), shedding)
    yield served
    await served.close()
    await server.shutdown()
