"""Readiness tells what a process can do now: its role decides which checks it needs."""

import asyncio
from typing import Any

import pytest
from fastapi import APIRouter
from pydantic import SecretStr

from chassis.inbox import Subscriptions
from chassis.service import Service, build_service
from chassis.settings import ServiceSettings
from libs.chassis.tests.silent_peers import silent_proxy, with_short_deadlines
from testkit import client, eventually, management_client
from testkit.databases import TestDatabase


def service_in(role: str, url: str, subscriptions: Subscriptions, **more: Any) -> Service:
    settings = ServiceSettings(
        service_name="things",
        database_url=SecretStr(url),
        kafka_bootstrap_servers="127.0.0.1:1",
        SHOP_ROLE=role,
        **more,
    )
    return build_service(settings, router=APIRouter(), subscriptions=subscriptions)


@pytest.mark.parametrize(
    ("role", "status", "word", "tasks"),
    [
        ("api", 200, "ready", set()),
        ("all", 200, "degraded", {"relay", "consumer"}),
        ("worker", 503, "not ready", {"relay", "consumer"}),
    ],
)
async def test_without_kafka_a_process_that_answers_requests_is_ready_and_a_worker_is_not(
    project: TestDatabase, subscriptions: Subscriptions, role: str, status: int, word: str, tasks: set[str]
) -> None:
    service = service_in(role, project.url, subscriptions)
    async with client(service), management_client(service) as http:

        async def shown() -> dict[str, Any]:
            answer = await http.get("/readyz")
            body: dict[str, Any] = answer.json()
            assert (answer.status_code, body["status"]) == (status, word)
            assert body["checks"]["database"] == body["checks"]["database_background"] == "ok"
            assert set(body["since"]) == tasks | {"issuer"}
            assert body["checks"]["issuer"] == "ok"
            if tasks:
                assert body["checks"]["consumer"].startswith("waits for kafka")
            return body

        await eventually(shown)
        strict = await http.get("/readyz?require=all")
        assert strict.status_code == (503 if tasks else 200)


async def test_without_its_database_no_role_is_ready(subscriptions: Subscriptions) -> None:
    for role in ("api", "all", "worker"):
        service = service_in(role, "postgresql://things:x@127.0.0.1:1/things", subscriptions)
        async with client(service), management_client(service) as http:
            answer = await http.get("/readyz")
            assert answer.status_code == 503
            assert answer.json()["checks"]["database"].startswith("away")


async def test_silent_connections_of_requests_are_noticed_and_replaced_by_the_probe(
    project: TestDatabase, subscriptions: Subscriptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_short_deadlines(monkeypatch)
    monkeypatch.setattr("chassis.web.probes.ANSWER_SECONDS", 0.3)
    async with silent_proxy(project.url) as (proxy, url):
        service = service_in("api", url, subscriptions)
        async with client(service), management_client(service) as http:
            database = service.context.database
            together = asyncio.Barrier(2)

            async def hold() -> None:
                async with database.reading():
                    await together.wait()

            await asyncio.gather(hold(), hold())
            proxy.silence()
            assert (await http.get("/readyz")).status_code == 503
            assert (await http.get("/readyz")).status_code == 200
