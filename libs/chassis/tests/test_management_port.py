"""Probes, metrics and the admin API have a port of their own, which lasts longer than the public one."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from chassis import server
from chassis.inbox import Subscriptions
from chassis.server import management_server_of, serve_until_signal
from chassis.tuning import request_deadlines
from libs.chassis.tests.raw_http import NOWHERE, Client
from libs.chassis.tests.two_ports import Slow, assert_closed, get, served, service_on
from testkit import eventually, listening
from testkit.databases import TestDatabase


async def test_at_sigterm_a_service_is_not_ready_and_tells_so_until_its_requests_are_answered(
    project: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "DRAIN_SECONDS", 60)
    slow = Slow()
    service = service_on(project.url, slow.router)
    async with served(service) as management:
        assert (await get(service, "/readyz")).status_code == 200
        asked = asyncio.create_task(get(service, "/slow", is_public=True))
        await slow.begun.wait()
        management.should_exit = True  # as uvicorn does at SIGTERM

        async def is_draining() -> None:
            ready = await get(service, "/readyz")
            assert (ready.status_code, ready.json()["checks"]["process"]) == (503, "is shutting down")
            await assert_closed(service, is_public=True)

        await eventually(is_draining)
        assert (await get(service, "/livez")).status_code == 200
        assert "chassis_events_consumed_total" in (await get(service, "/metrics")).text
        assert not asked.done()
        slow.may_end.set()
        assert (await asked).status_code == 200
    await assert_closed(service, is_public=False)


async def test_a_service_is_not_ready_before_its_public_port_is_open(
    project: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_on(project.url)
    seen = []

    class Noted(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await assert_closed(service, is_public=True)
            ready = await get(service, "/readyz")
            seen.append((ready.status_code, ready.json()["checks"]["process"]))
            await super().startup(sockets)

    public = Noted(server.server_of(service).config)
    monkeypatch.setattr(server, "server_of", lambda _: public)
    async with served(service):
        assert seen == [(503, "is starting")]


async def test_a_worker_has_the_management_port_alone(
    project: TestDatabase, subscriptions: Subscriptions
) -> None:
    slow = Slow()
    service = service_on(project.url, slow.router, SHOP_ROLE="worker", subscriptions=subscriptions)
    async with served(service):
        assert (await get(service, "/livez")).status_code == 200
        await assert_closed(service, is_public=True)
        assert (await get(service, "/slow")).status_code == 404


async def test_both_ports_say_their_date(project: TestDatabase) -> None:
    service = service_on(project.url)
    async with served(service):
        for is_public in (True, False):
            assert "date" in (await get(service, "/livez", is_public=is_public)).headers


async def test_answers_of_both_ports_are_kept_by_no_cache_and_name_no_server_program(
    project: TestDatabase,
) -> None:
    service = service_on(project.url)
    async with served(service):
        for is_public in (True, False):
            headers = (await get(service, "/livez", is_public=is_public)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
            assert "server" not in headers


async def test_a_public_port_that_is_in_use_ends_the_process_in_order(project: TestDatabase) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        service = service_on(project.url, http_port=other.getsockname()[1])
        with pytest.raises(SystemExit):
            await serve_until_signal(service, management_server_of(service))
    await assert_closed(service, is_public=False)


async def test_a_public_port_without_a_free_connection_refuses_no_probe(project: TestDatabase) -> None:
    service = service_on(project.url, http_max_connections=1)
    async with served(service):
        _, idle = await asyncio.open_connection("127.0.0.1", service.settings.http_port)

        async def is_full() -> None:
            assert (await get(service, "/slow", is_public=True)).status_code == 503

        await eventually(is_full)
        assert (await get(service, "/readyz")).status_code == 200
        assert (await get(service, "/admin/dead-letters")).status_code == 200
        idle.close()


@asynccontextmanager
async def management_port(**more: Any) -> AsyncIterator[int]:
    """The management port of a service without a database."""
    management = management_server_of(service_on(NOWHERE, **more))
    yield await listening(management)
    await management.shutdown()


async def test_silent_clients_do_not_stop_the_management_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_deadlines, "HEADER_SECONDS", 0.2)
    async with management_port(http_management_port=0, http_management_max_connections=3) as port:
        silent = [Client(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(3)]

        async def lives() -> None:
            async with httpx.AsyncClient(trust_env=False) as http:
                assert (await http.get(f"http://127.0.0.1:{port}/livez")).status_code == 200

        await eventually(lives)
        assert [await client.is_closed() for client in silent] == [True] * 3
        for client in silent:
            client.writer.close()
            await client.writer.wait_closed()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /livez HTTP/1.1\r\nHost: t\r\nX-A: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"POST /admin/republish HTTP/1.1\r\nHost: t\r\nContent-Length: 70000\r\n\r\n" + b" " * 70_000, 413),
        (b"POST /admin/republish HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n", 408),
    ],
    ids=["headers", "body", "half a request"],
)
async def test_greedy_clients_of_the_management_port_are_refused(sent: bytes, status: int) -> None:
    async with management_port(http_management_port=0, body_seconds=0.2) as port:
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        await client.send(sent)
        assert (await client.answer())[0] == status
        client.writer.close()
