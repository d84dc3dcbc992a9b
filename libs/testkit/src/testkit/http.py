"""A service's HTTP side in the process of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI


@asynccontextmanager
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client on the app, in this process, with its lifespan running. Unexpected errors are answered 500."""
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
            yield http


async def listening(server: uvicorn.Server) -> int:
    """Have a server listen as `serve` would, without its main loop; returns its port. End it by `shutdown`."""
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port
