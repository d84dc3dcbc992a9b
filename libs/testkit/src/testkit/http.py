"""A service's HTTP side in the process of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from starlette.types import ASGIApp

from chassis.service import Service


@asynccontextmanager
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client on a service's public port, in this process, with its tasks running.

    Unexpected errors are answered 500.
    """
    async with service.runtime.running(), _client_of(service.asgi) as http:
        yield http


@asynccontextmanager
async def management_client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client on a service's management port, in this process. It starts no tasks: `client` does."""
    async with _client_of(service.management_asgi) as http:
        yield http


def _client_of(app: ASGIApp) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://service")


async def listening(server: uvicorn.Server) -> int:
    """Have a server listen as `serve` would, without its main loop; returns its port. End it by `shutdown`."""
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port
