"""The HTTP edge: one kind of error for each kind of trouble, and no effect twice."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import text
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from chassis.outbox import Database
from chassis.service import Service, build_service
from chassis.web import CursorCodec, Db, GuardedRoute, IdempotencyKey, ProblemType, claim_or_replay, remember
from chassis.web.access import PUBLIC
from chassis.web.body_limit import BodyLimit
from libs.chassis.tests.api_services import api_settings
from testkit import client, eventually, management_client
from testkit.databases import TestDatabase


class Broken(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is broken")
        self.name = name


class Thing(BaseModel):
    name: str
    number: int


router = APIRouter(route_class=GuardedRoute, dependencies=[PUBLIC])


@router.post("/things")
async def count(thing: Thing, db: Db, key: IdempotencyKey = None) -> JSONResponse:
    if thing.name == "broken":
        raise Broken(thing.name)
    async with db.transaction() as tx:
        if first := await claim_or_replay(tx, key, thing):
            return first
        await tx.connection.execute(
            text("INSERT INTO effects (name, number, in_call) VALUES (:name, :number, 0)"), thing.model_dump()
        )
        body = {"counted": thing.number}
        await remember(tx, key, 201, body, {"Location": "/things/1"})
    return JSONResponse(body, 201, {"Location": "/things/1"})


@router.get("/pages")
async def page(cursors: CursorCodec, cursor: str | None = None) -> dict[str, Any]:
    position = cursors.decode(cursor, tuple[int]) if cursor else (0,)
    return {"position": position, "next": cursors.encode([position[0] + 1])}


@router.get("/bug")
async def bug() -> None:
    raise RuntimeError("secret inner thing")


@router.get("/wrong-statement")
async def wrong_statement(db: Db) -> None:
    async with db.reading() as connection:
        await connection.execute(text("SELECT 1 / 0 AS secret"))


@router.get("/missing-table")
async def missing_table(db: Db) -> None:
    async with db.reading() as connection:
        await connection.execute(text("SELECT secret FROM nowhere"))


def service_on(url: str) -> Service:
    broken = ProblemType(409, "broken", "It is broken")
    return build_service(api_settings(url), router=router, problems={Broken: broken})


@pytest.fixture
def service(project: TestDatabase) -> Service:
    return service_on(project.url)


@pytest.fixture
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with client(service) as opened:
        yield opened


async def problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, body["status"], body["type"]) == (
        status,
        status,
        f"urn:shopfloor:problem:{slug}",
    )
    return body


async def test_a_domain_error_is_the_problem_that_the_service_says(http: httpx.AsyncClient) -> None:
    body = await problem(await http.post("/things", json={"name": "broken", "number": 1}), 409, "broken")
    assert (body["detail"], body["name"]) == ("broken is broken", "broken")


@pytest.mark.parametrize(
    ("request_", "status", "slug"),
    [
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "malformed-json"),
        ({"json": {"name": "a"}}, 422, "invalid-request"),
        ({"json": {"name": "a" * 70_000, "number": 1}}, 413, "body-too-large"),
        (
            {"json": {"name": "a", "number": 1}, "headers": {"Idempotency-Key": "k" * 256}},
            422,
            "invalid-request",
        ),
    ],
)
async def test_bad_requests_have_problem_types_of_their_own(
    http: httpx.AsyncClient, request_: dict[str, Any], status: int, slug: str
) -> None:
    await problem(await http.post("/things", **request_), status, slug)


async def test_a_body_that_hides_its_length_is_cut_off_all_the_same(http: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1024

    body = await problem(await http.post("/things", content=chunks()), 413, "body-too-large")
    assert body["detail"] == "At most 65536 bytes are accepted."


async def test_a_body_that_breaks_off_is_not_taken_for_a_whole_one() -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": b'{"name": "a", "number": 1}', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        raise AssertionError(message)

    headers = [(b"transfer-encoding", b"chunked")]
    scope = {"type": "http", "method": "POST", "path": "/things", "headers": headers}
    with pytest.raises(ClientDisconnect):
        await BodyLimit(app, max_bytes=1000)(scope, receive, send)


async def test_an_invalid_value_is_not_repeated_in_the_answer(http: httpx.AsyncClient) -> None:
    answer = await http.post("/things", json={"name": "a", "number": "tok_secret"})
    assert "tok_secret" not in answer.text


async def test_unknown_paths_and_methods_are_problems_too(http: httpx.AsyncClient) -> None:
    await problem(await http.get("/nothing"), 404, "not-found")
    await problem(await http.delete("/things"), 405, "method-not-allowed")


@pytest.mark.parametrize("path", ["/bug", "/wrong-statement"])
async def test_a_bug_is_a_500_that_tells_nothing(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    await problem(answer, 500, "internal-error")
    assert "secret" not in answer.text


async def test_a_table_that_is_missing_is_a_503_that_tells_nothing(http: httpx.AsyncClient) -> None:
    answer = await http.get("/missing-table")
    await problem(answer, 503, "database-unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert "secret" not in answer.text


async def test_without_its_database_a_service_answers_503_and_when_to_come_back() -> None:
    service = service_on("postgresql://things:x@127.0.0.1:1/things")
    async with client(service) as http, management_client(service) as operator:
        answer = await http.post("/things", json={"name": "a", "number": 1})
        await problem(answer, 503, "database-unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert (await operator.get("/livez")).status_code == 200
        assert (await operator.get("/readyz")).status_code == 503


async def test_a_database_that_is_away_is_answered_and_not_raised_to_the_server() -> None:
    transport = httpx.ASGITransport(service_on("postgresql://things:x@127.0.0.1:1/things").asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://things") as http:
        answer = await http.post("/things", json={"name": "a", "number": 1})
    await problem(answer, 503, "database-unavailable")


async def test_a_key_that_comes_again_gets_the_first_answer_and_has_no_second_effect(
    http: httpx.AsyncClient, db: Any, effects_in: Callable[..., Any]
) -> None:
    request: dict[str, Any] = {"json": {"name": "a", "number": 1}, "headers": {"Idempotency-Key": "once"}}
    answers = await asyncio.gather(*(http.post("/things", **request) for _ in range(5)))
    assert [(a.status_code, a.json(), a.headers["location"]) for a in answers] == [
        (201, {"counted": 1}, "/things/1")
    ] * 5
    assert await effects_in(db) == [("a", 1)]


async def test_a_key_is_free_again_when_the_request_that_had_it_is_undone(db: Database) -> None:
    async def second() -> JSONResponse | None:
        async with db.transaction() as tx:
            return await claim_or_replay(tx, "once", {"name": "a"})

    async def first() -> None:
        async with db.transaction() as tx:
            assert await claim_or_replay(tx, "once", {"name": "a"}) is None
            waiting.append(asyncio.create_task(second()))
            await eventually(lambda: one_waits_for_a_lock(db))
            raise Broken("the first request")

    waiting: list[asyncio.Task[JSONResponse | None]] = []
    with pytest.raises(Broken):
        await first()
    assert await waiting[0] is None


async def one_waits_for_a_lock(db: Database) -> None:
    async with db.reading() as connection:
        here = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        assert await connection.value(text(f"{here} AND wait_event_type = 'Lock'")) == 1


async def test_a_key_that_comes_with_another_body_is_refused(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "once"}
    await http.post("/things", json={"name": "a", "number": 1}, headers=headers)
    answer = await http.post("/things", json={"name": "a", "number": 2}, headers=headers)
    await problem(answer, 422, "idempotency-key-reused")


async def test_a_cursor_leads_to_the_next_page(http: httpx.AsyncClient) -> None:
    cursor = (await http.get("/pages")).json()["next"]
    assert (await http.get("/pages", params={"cursor": cursor})).json()["position"] == [1]


@pytest.mark.parametrize(
    "tamper",
    [lambda c: ("X" if c[0] != "X" else "Y") + c[1:], lambda c: "!" + c, lambda c: "x", lambda c: "é" + c],
)
async def test_a_cursor_that_was_tampered_with_is_refused(
    http: httpx.AsyncClient, tamper: Callable[[str], str]
) -> None:
    cursor = (await http.get("/pages")).json()["next"]
    await problem(await http.get("/pages", params={"cursor": tamper(cursor)}), 400, "invalid-cursor")


async def test_a_service_that_is_ready_says_so_and_counts(http: httpx.AsyncClient, service: Service) -> None:
    async with management_client(service) as operator:
        assert (await operator.get("/readyz")).json()["status"] == "ready"
        assert "chassis_events_consumed_total" in (await operator.get("/metrics")).text
