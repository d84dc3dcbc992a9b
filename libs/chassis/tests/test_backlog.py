"""Who cannot be served soon is told so at once."""

import asyncio

import httpx
from fastapi import APIRouter, FastAPI
from prometheus_client import REGISTRY
from pydantic import SecretStr
from sqlalchemy import text

from chassis.app import build_app
from chassis.backlog import Backlog
from chassis.connection import Connection
from chassis.database import Database
from chassis.jobs import keep_going
from chassis.problems import EdgeMiddleware
from chassis.settings import ServiceSettings
from testkit import eventually
from testkit.databases import TestDatabase


async def none_waiting(connection: Connection) -> int:
    return int(await connection.value(text("SELECT count(*) FROM effects")))


def refusals() -> float:
    """How many /metrics tells of."""
    return REGISTRY.get_sample_value("chassis_requests_refused_total") or 0


def http_with(backlog: Backlog) -> httpx.AsyncClient:
    app = FastAPI()

    @app.post("/things", status_code=202)
    async def take() -> int:
        return backlog.in_flight

    @app.get("/things")
    async def read() -> int:
        return 0

    return httpx.AsyncClient(
        transport=httpx.ASGITransport(EdgeMiddleware(app, 1000, backlog)), base_url="http://things"
    )


async def test_new_work_is_refused_while_too_much_waits_and_reading_goes_on() -> None:
    backlog = Backlog(none_waiting, limit=10, sheds={"/things"})
    async with http_with(backlog) as http:
        assert (await http.post("/things")).status_code == 202
        backlog.waiting = 10
        refused = await http.post("/things")
        assert (refused.status_code, refused.json()["type"]) == (429, "urn:shopfloor:problem:overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        assert (await http.get("/things")).status_code == 200
        backlog.waiting = 9
        assert (await http.post("/things")).status_code == 202


async def test_nothing_stands_around_the_shedding_and_makes_it_dear(project: TestDatabase) -> None:
    settings = ServiceSettings(
        service_name="things", database_url=SecretStr(project.url), kafka_bootstrap_servers="127.0.0.1:1"
    )
    backlog = Backlog(none_waiting, limit=0, sheds={"/things"})
    app = build_app(settings, router=APIRouter(), backlog=backlog)
    assert isinstance(app.build_middleware_stack(), EdgeMiddleware)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://things") as http:
        assert (await http.post("/things")).status_code == 429
        assert (await http.get("/things")).status_code == 404
    await app.state.database.close()


async def test_no_more_is_answered_at_a_time_than_the_limit() -> None:
    backlog = Backlog(none_waiting, limit=10, sheds={"/things"}, in_flight_limit=2)
    async with http_with(backlog) as http:
        backlog.in_flight = 1
        assert (await http.post("/things")).json() == 2
        assert backlog.in_flight == 1
        backlog.in_flight = 2
        assert (await http.post("/things")).status_code == 429


async def test_refusals_are_counted_and_nothing_else_is() -> None:
    backlog = Backlog(none_waiting, limit=10, sheds={"/things"})
    before = refusals()
    async with http_with(backlog) as http:
        await http.post("/things")
        assert refusals() == before
        backlog.waiting = 10
        await http.get("/things")
        assert refusals() == before
        await http.post("/things")
        await http.post("/things")
        assert refusals() == before + 2


async def test_what_waits_is_counted_in_the_database(project: TestDatabase) -> None:
    db = Database(project.url)
    backlog = Backlog(none_waiting, limit=1, sheds={"/things"})
    task = asyncio.create_task(keep_going("backlog", lambda: backlog.sample(db)))
    async with db.transaction() as tx:
        await tx.connection.execute(text("INSERT INTO effects (name, number, in_call) VALUES ('a', 1, 1)"))

    async def counted() -> None:
        assert backlog.refuses("POST", "/things")  # being asked is what makes it count

    await eventually(counted)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await db.close()


async def test_after_a_rush_nobody_has_to_ask_before_work_is_taken_again(project: TestDatabase) -> None:
    db = Database(project.url)
    backlog = Backlog(none_waiting, limit=1, sheds={"/things"}, waiting=1)
    task = asyncio.create_task(keep_going("backlog", lambda: backlog.sample(db)))

    async def open_again() -> None:
        assert backlog.waiting == 0

    await eventually(open_again, 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await db.close()
