"""A service's HTTP side in the process of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import httpx
import uvicorn
from starlette.types import ASGIApp

from chassis.service import Service
from testkit.tokens import CUSTOMER, EVERY_ROLE, login, trust_test_keys


@asynccontextmanager
async def client(
    service: Service, subject: str = CUSTOMER, roles: Collection[str] = EVERY_ROLE
) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client on a service's public port, in this process, with its tasks running.

    It sends a token of `subject` with `roles`. Unexpected errors are answered 500.
    """
    await trust_test_keys(service)
    async with service.runtime.running(), _client_of(service, service.asgi, subject, roles) as http:
        yield http


@asynccontextmanager
async def management_client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of an operator on a service's management port, in this process. Only `client` starts tasks."""
    await trust_test_keys(service)
    async with _client_of(service, service.management_asgi, "operator", ["operator"]) as http:
        yield http


def _client_of(service: Service, app: ASGIApp, subject: str, roles: Collection[str]) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = login(service.settings.service_name, subject, roles)
    return httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers)


async def listening(server: uvicorn.Server) -> int:
    """Have a server listen as `serve` would, without its main loop; returns its port. End it by `shutdown`."""
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port
