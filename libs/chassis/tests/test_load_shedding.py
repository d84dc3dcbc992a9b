"""Load shedding refuses new work while too much is waiting."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from prometheus_client import REGISTRY
from pydantic import SecretStr
from sqlalchemy import text
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from chassis.outbox import Database
from chassis.postgres import Connection
from chassis.service import build_service
from chassis.settings import ServiceSettings
from chassis.supervisor import supervise
from chassis.web import LoadShedding
from chassis.web.load_shedding import LoadSheddingMiddleware
from chassis.web.request_metrics import RequestMetrics
from testkit import eventually
from testkit.databases import TestDatabase


async def none_waiting(connection: Connection) -> int:
    return int(await connection.value(text("SELECT count(*) FROM effects")))


def refusals() -> float:
    """The number that /metrics shows."""
    return REGISTRY.get_sample_value("chassis_requests_refused_total") or 0


def http_with(shedding: LoadShedding) -> httpx.AsyncClient:
    app = FastAPI()

    @app.post("/things", status_code=202)
    async def take() -> int:
        return shedding.in_flight

    @app.get("/things")
    async def read() -> int:
        return 0

    return httpx.AsyncClient(
        transport=httpx.ASGITransport(LoadSheddingMiddleware(app, shedding)), base_url="http://things"
    )


async def test_new_work_is_refused_while_too_much_waits_and_reads_go_on() -> None:
    shedding = LoadShedding(none_waiting, limit=10, paths={"/things"})
    async with http_with(shedding) as http:
        assert (await http.post("/things")).status_code == 202
        shedding.waiting = 10
        refused = await http.post("/things")
        assert (refused.status_code, refused.json()["type"]) == (429, "urn:shopfloor:problem:overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        assert (await http.get("/things")).status_code == 200
        shedding.waiting = 9
        assert (await http.post("/things")).status_code == 202


async def test_load_shedding_is_the_outermost_part_of_the_app(project: TestDatabase) -> None:
    settings = ServiceSettings(
        service_name="things", database_url=SecretStr(project.url), kafka_bootstrap_servers="127.0.0.1:1"
    )
    shedding = LoadShedding(none_waiting, limit=0, paths={"/things"})
    service = build_service(settings, router=APIRouter(), load_shedding=shedding)
    assert isinstance(service.asgi, RequestMetrics)  # it counts the refusal, too
    assert isinstance(service.asgi.app, LoadSheddingMiddleware)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(service.asgi), base_url="http://things"
    ) as http:
        assert (await http.post("/things")).status_code == 429
        assert (await http.get("/things")).status_code == 404
    await service.context.database.close()


async def test_no_more_requests_are_in_flight_than_the_limit() -> None:
    shedding = LoadShedding(none_waiting, limit=10, paths={"/things"}, in_flight_limit=2)
    async with http_with(shedding) as http:
        shedding.in_flight = 1
        assert (await http.post("/things")).json() == 2
        assert shedding.in_flight == 1
        shedding.in_flight = 2
        assert (await http.post("/things")).status_code == 429


@pytest.mark.parametrize(
    ("method", "path", "in_the_app"), [("POST", "/things", 1), ("GET", "/things", 0), ("POST", "/other", 0)]
)
async def test_a_request_that_could_be_refused_is_in_flight_until_its_answer_begins(
    method: str, path: str, in_the_app: int
) -> None:
    shedding = LoadShedding(none_waiting, limit=10, paths={"/things"})
    seen: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(shedding.in_flight)
        await Response()(scope, receive, send)

    async def sent(message: Message) -> None:
        seen.append(shedding.in_flight)

    async def received() -> Message:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": method, "path": path, "headers": []}
    await LoadSheddingMiddleware(app, shedding)(scope, received, sent)
    assert seen == [in_the_app, 0, 0]
    assert shedding.in_flight == 0


async def test_a_request_without_an_answer_is_in_flight_no_longer() -> None:
    shedding = LoadShedding(none_waiting, limit=10, paths={"/things"})

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    async def unused(*_: object) -> Any:
        raise AssertionError

    scope = {"type": "http", "method": "POST", "path": "/things", "headers": []}
    with pytest.raises(ZeroDivisionError):
        await LoadSheddingMiddleware(app, shedding)(scope, unused, unused)
    assert shedding.in_flight == 0


async def test_refusals_are_counted_and_no_other_answer_is() -> None:
    shedding = LoadShedding(none_waiting, limit=10, paths={"/things"})
    before = refusals()
    async with http_with(shedding) as http:
        await http.post("/things")
        assert refusals() == before
        shedding.waiting = 10
        await http.get("/things")
        assert refusals() == before
        await http.post("/things")
        await http.post("/things")
        assert refusals() == before + 2


async def test_the_waiting_work_is_counted_in_the_database(project: TestDatabase) -> None:
    db = Database(project.url)
    shedding = LoadShedding(none_waiting, limit=1, paths={"/things"})
    task = asyncio.create_task(supervise("shedding", lambda: shedding.sample(db)))
    async with db.transaction() as tx:
        await tx.connection.execute(text("INSERT INTO effects (name, number, in_call) VALUES ('a', 1, 1)"))

    async def counted() -> None:
        assert shedding.refuses("POST", "/things")  # being asked is what makes it count

    await eventually(counted)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await db.close()


async def test_after_a_rush_work_is_taken_again_without_a_request(project: TestDatabase) -> None:
    db = Database(project.url)
    shedding = LoadShedding(none_waiting, limit=1, paths={"/things"}, waiting=1)
    task = asyncio.create_task(supervise("shedding", lambda: shedding.sample(db)))

    async def open_again() -> None:
        assert shedding.waiting == 0

    await eventually(open_again, 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await db.close()
