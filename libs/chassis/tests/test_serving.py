"""A service is asked to end by SIGTERM: who is connected gets an answer, nobody else is let in."""

import asyncio
import signal

from fastapi import FastAPI
from uvicorn import Config

from chassis.app import Server
from chassis.testing import eventually

REQUEST = b"GET /here HTTP/1.1\r\nHost: things\r\n\r\n"


async def test_who_was_connected_when_the_end_was_asked_for_gets_an_answer() -> None:
    app = FastAPI()
    app.get("/here")(lambda: {"is": "an answer"})
    server = Server(Config(app, "127.0.0.1", 0, log_config=None))
    serving = asyncio.create_task(server._serve())

    async def listens() -> int:
        assert server.started
        port: int = server.servers[0].sockets[0].getsockname()[1]
        return port

    port = await eventually(listens)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    server.handle_exit(signal.SIGTERM, None)

    async def shut() -> None:
        assert not server.servers[0].is_serving()

    await eventually(shut)
    writer.write(REQUEST)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    await serving
