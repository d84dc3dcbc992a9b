"""The background tasks of a process go on when one of them fails."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest
from fastapi import APIRouter
from pydantic import SecretStr
from sqlalchemy import ClauseElement
from structlog.testing import CapturingLogger

from chassis import supervisor
from chassis.events import Cause, PublishedEvent
from chassis.inbox import Subscriptions
from chassis.jobs import Job
from chassis.observability import outages
from chassis.outbox import CHANNEL, Database, shard_of
from chassis.postgres import Connection
from chassis.service import build_service
from chassis.settings import ServiceSettings
from testkit import client, eventually, management_client
from testkit.databases import TestDatabase


def things(project: TestDatabase, **more: Any) -> ServiceSettings:
    """The settings of a service whose broker is away."""
    return ServiceSettings(
        service_name="things",
        database_url=SecretStr(project.url),
        kafka_bootstrap_servers="127.0.0.1:1",
        **more,
    )


async def test_an_error_does_not_end_the_notifications_of_other_relays(
    project: TestDatabase,
    thing_counted: Callable[[str, int], PublishedEvent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = build_service(things(project, SHOP_ROLE="api"), router=APIRouter())
    db = service.context.database
    execute, failed, told = Connection.execute, asyncio.Event(), set[str]()

    async def fails_once(self: Connection, statement: ClauseElement, *values: Any) -> None:
        if "pg_notify" in str(statement) and not failed.is_set():
            failed.set()
            raise RuntimeError("a bug")
        await execute(self, statement, *values)

    monkeypatch.setattr(Connection, "execute", fails_once)
    listener = await asyncpg.connect(project.url)
    await listener.add_listener(CHANNEL, lambda *heard: told.add(heard[-1]))

    async def publish() -> None:
        async with db.transaction() as tx:
            tx.publish(thing_counted("a", 1), cause=Cause(None, "a", None))

    async with client(service):
        await publish()
        await asyncio.wait_for(failed.wait(), 10)

        async def heard() -> None:
            await publish()
            assert told == {str(shard_of("a"))}

        await eventually(heard)
    await listener.close()


async def test_waking_an_unknown_job_does_not_turn_a_commit_into_an_error(
    project: TestDatabase,
) -> None:
    service = build_service(things(project, SHOP_ROLE="api"), router=APIRouter())
    db = service.context.database
    async with client(service), db.transaction() as tx:
        tx.wake("nobody")


async def test_requests_that_use_all_their_connections_delay_nothing_else(
    project: TestDatabase,
) -> None:
    settings = things(project, database_pool_size=2)
    worked = asyncio.Event()

    async def works(database: Database) -> int:
        async with database.transaction():
            worked.set()
        return 0

    service = build_service(settings, router=APIRouter(), jobs={"works": Job(works, interval=0.01)})
    async with client(service), management_client(service) as http, AsyncExitStack() as rush:
        for _ in range(settings.database_pool_size):
            await rush.enter_async_context(service.context.database.reading())
        worked.clear()
        async with asyncio.timeout(30):
            await worked.wait()
        async with service.context.inbox.database.transaction():
            pass
        assert (await http.get("/readyz")).json()["checks"]["database"] == "ok"


async def test_a_consumer_logs_a_broker_that_is_away_as_a_warning(
    project: TestDatabase, subscriptions: Subscriptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In the module itself: a logger keeps the processors of the first app that was built in this process.
    log = CapturingLogger()
    monkeypatch.setattr(outages, "log", log)
    monkeypatch.setattr(supervisor, "OUTAGES", outages.Outages())
    service = build_service(things(project), router=APIRouter(), subscriptions=subscriptions)

    def about_kafka() -> set[str]:
        return {call.method_name for call in log.calls if call.kwargs.get("dependency") == "kafka"}

    async def tried() -> None:
        assert about_kafka()

    async with client(service):
        await eventually(tried)
    assert about_kafka() == {"warning"}


async def test_a_job_that_swallows_its_cancellation_does_not_delay_the_shutdown(
    project: TestDatabase,
) -> None:
    begun, asked = asyncio.Event(), 0

    async def stubborn(_: Database) -> int:
        nonlocal asked
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            asked += 1
            if asked > 1:
                raise
        return 0

    jobs = {"stubborn": Job(stubborn, interval=0.01)}
    service = build_service(things(project), router=APIRouter(), jobs=jobs)
    async with asyncio.timeout(30):
        async with client(service):
            await begun.wait()
    assert asked == 2
