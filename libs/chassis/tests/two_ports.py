"""A service on two ports in the process of the test, as `serve` runs it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from fastapi import APIRouter
from pydantic import SecretStr

from chassis.inbox import Subscriptions
from chassis.server import management_server_of, serve_until_signal
from chassis.service import Service, build_service
from chassis.settings import ServiceSettings
from chassis.web import GuardedRoute, LoadShedding
from chassis.web.access import PUBLIC
from libs.chassis.tests.raw_http import none_waiting
from testkit import eventually, login, trust_test_keys


@dataclass
class Slow:
    """`GET /slow`, which answers when the test says so."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def get(self) -> None:
        self.begun.set()
        await self.may_end.wait()

    @property
    def router(self) -> APIRouter:
        router = APIRouter(route_class=GuardedRoute, dependencies=[PUBLIC])
        router.get("/slow")(self.get)
        return router


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def service_on(url: str, router: APIRouter | None = None, **more: Any) -> Service:
    values = {
        "service_name": "things",
        "database_url": SecretStr(url),
        "kafka_bootstrap_servers": "127.0.0.1:1",
        "SHOP_ROLE": "api",
        "http_port": free_port(),
        "http_management_port": free_port(),
    }
    return build_service(
        ServiceSettings.model_validate(values | more),
        router=router or APIRouter(),
        subscriptions=more.pop("subscriptions", Subscriptions({})),
        load_shedding=LoadShedding(none_waiting, limit=0, paths={"/things"}),
    )


@asynccontextmanager
async def served(service: Service) -> AsyncIterator[uvicorn.Server]:
    """The service as `serve` runs it, from the moment when it is on its ports. Yields the server of management."""
    await trust_test_keys(service)
    management = management_server_of(service)
    serving = asyncio.create_task(serve_until_signal(service, management))

    async def has_started() -> None:
        assert (await get(service, "/readyz")).json()["checks"]["process"] == "ok"

    try:
        await eventually(has_started)
        yield management
    finally:
        management.should_exit = True
        await serving


def port_of(service: Service, *, is_public: bool) -> int:
    settings = service.settings
    return settings.http_port if is_public else settings.http_management_port


async def get(service: Service, path: str, *, is_public: bool = False) -> httpx.Response:
    """Ask one of the ports on a new connection. Raises AssertionError if it does not answer."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        try:
            url = f"http://127.0.0.1:{port_of(service, is_public=is_public)}{path}"
            return await http.get(url, headers=login("things"))
        except httpx.TransportError as error:
            raise AssertionError(repr(error)) from error


async def assert_closed(service: Service, *, is_public: bool) -> None:
    with suppress(ConnectionRefusedError):
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(service, is_public=is_public))
        writer.close()
        raise AssertionError("the port accepts connections")
