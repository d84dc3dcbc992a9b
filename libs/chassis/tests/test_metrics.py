"""Metrics: what is counted and when, from where each series begins, and how `/metrics` is answered."""

import asyncio
import contextlib
import re
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import APIRouter
from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.openmetrics import parser
from pydantic import SecretStr
from structlog.testing import capture_logs

from chassis.errors import DatabaseUnavailable
from chassis.events import Cause, PublishedEvent
from chassis.inbox import Subscriptions
from chassis.inbox.dead_letters import REASONS
from chassis.observability import loop_lag, metrics
from chassis.observability.outages import Outages
from chassis.outbox import BusinessMetrics, Database, OutboxRow
from chassis.postgres import Connection, pool
from chassis.service import Service, build_service
from chassis.settings import ServiceSettings
from chassis.web import GuardedRoute
from chassis.web.access import PUBLIC
from testkit import client, eventually, management_client
from testkit.databases import TestDatabase

THING = "things.thing-counted.v1"
MakeThing = Callable[[str, int], PublishedEvent]


def value(name: str, **labels: str) -> float | None:
    """A sample as /metrics shows it, or None if there is no such series."""
    return REGISTRY.get_sample_value(name, labels)


def built(project: TestDatabase, business: BusinessMetrics | None = None, **more: Any) -> Service:
    router = APIRouter(route_class=GuardedRoute, dependencies=[PUBLIC])

    @router.get("/things/{number}")
    async def read(number: int) -> int:
        return 1 // number

    settings = ServiceSettings(
        service_name=more.pop("service_name", "things"),
        database_url=SecretStr(project.url),
        kafka_bootstrap_servers="127.0.0.1:1",
        **{"SHOP_ROLE": "api", **more},
    )
    subscriptions = more.get("subscriptions", Subscriptions({}))
    return build_service(settings, router=router, subscriptions=subscriptions, business=business)


@pytest.fixture
async def counted(project: TestDatabase) -> AsyncIterator[tuple[Database, list[OutboxRow]]]:
    """A service's database, and the events that its metrics have counted."""
    rows: list[OutboxRow] = []
    service = built(project, BusinessMetrics(count={THING: rows.append}))
    yield service.context.database, rows
    await service.context.database.close()


async def test_an_event_is_counted_after_its_commit(
    counted: tuple[Database, list[OutboxRow]], thing_counted: MakeThing
) -> None:
    database, rows = counted
    async with database.transaction() as tx:
        tx.publish(thing_counted("a", 1), cause=Cause(None, "a", None))
        assert rows == []
    assert [row.key for row in rows] == ["a"]


async def test_an_event_of_a_transaction_that_is_rolled_back_is_not_counted(
    counted: tuple[Database, list[OutboxRow]], thing_counted: MakeThing
) -> None:
    database, rows = counted
    with contextlib.suppress(ZeroDivisionError):
        async with database.transaction() as tx:
            tx.publish(thing_counted("a", 1), cause=Cause(None, "a", None))
            raise ZeroDivisionError
    assert rows == []


def test_an_error_in_counting_is_logged_and_the_other_events_are_counted() -> None:
    seen: list[str] = []

    def count(row: OutboxRow) -> None:
        if row.key == "bad":
            raise KeyError(row.key)
        seen.append(row.key)

    rows = [OutboxRow(0, uuid4(), "t", key, THING, None, key, None, None, "{}") for key in ("bad", "good")]  # type: ignore[arg-type]
    with capture_logs() as logs:
        BusinessMetrics(count={THING: count}).count_committed(rows)
    assert seen == ["good"]
    assert [line["event"] for line in logs] == ["event.not_counted"]


async def test_a_request_is_measured_by_its_route_and_its_answer(project: TestDatabase) -> None:
    def number(route: str, status: str) -> float:
        labels = {"http_request_method": "GET", "http_route": route, "http_response_status_code": status}
        return value("http_server_request_duration_seconds_count", **labels) or 0.0

    route = "/things/{number}"
    service = built(project)
    asked = {
        "/things/1": (route, "200"),
        "/things/0": (route, "500"),
        "/things/x": (route, "422"),
        "/no": ("", "404"),
    }
    before = {answer: number(*answer) for answer in asked.values()}
    async with client(service) as http:
        for path in asked:
            await http.get(path, headers={"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"})
    assert {answer: number(*answer) - before[answer] for answer in asked.values()} == dict.fromkeys(
        asked.values(), 1
    )


async def test_a_method_that_nobody_knows_makes_no_series(project: TestDatabase) -> None:
    async with client(built(project)) as http:
        await http.request("BREW", "/things/1")
    methods = {key[0] for key in metrics.REQUESTS}
    assert "BREW" not in methods
    assert "_OTHER" in methods


@pytest.mark.parametrize(
    ("role", "has_worker", "has_api"), [("api", False, True), ("worker", True, False), ("all", True, True)]
)
async def test_each_known_series_begins_at_0_in_the_role_that_has_it(
    project: TestDatabase, subscriptions: Subscriptions, role: str, has_worker: bool, has_api: bool
) -> None:
    group = f"things-{role}"
    metrics.REQUESTS.clear()
    metrics.REQUEST_DURATION.clear()
    settings = ServiceSettings(
        service_name=group,
        database_url=SecretStr(project.url),
        kafka_bootstrap_servers="127.0.0.1:1",
        SHOP_ROLE=role,
    )
    router = APIRouter(route_class=GuardedRoute, dependencies=[PUBLIC])
    router.post("/things", status_code=202)(lambda: 0)
    business = BusinessMetrics(queues=(f"parcels-{role}",), dependencies=(f"post-{role}",))
    build_service(settings, router=router, subscriptions=subscriptions, business=business)

    assert value("chassis_dependency_away", dependency=f"post-{role}") == 0
    assert value("chassis_intents_open", queue=f"parcels-{role}") == 0
    assert value("chassis_dead_letters_open", group=group, state="HELD") == 0
    worker = {
        value("chassis_dead_letters_total", group=group, reason="handler-failed"),
        value("chassis_intents_postponed_total", queue=f"parcels-{role}"),
        value(
            "messaging_client_sent_messages_total",
            messaging_system="kafka",
            messaging_operation_name="send",
            messaging_destination_name=f"{group}.dead-letters",
        ),
    }
    assert worker == ({0.0} if has_worker else {None})
    labels = {"http_request_method": "POST", "http_route": "/things", "http_response_status_code": "202"}
    assert value("http_server_request_duration_seconds_count", **labels) == (0 if has_api else None)


def test_the_reasons_of_dead_letters_are_those_that_the_code_gives(reasons_in_code: set[str]) -> None:
    assert reasons_in_code <= set(REASONS)
    assert len(reasons_in_code) > 8


@pytest.fixture
def reasons_in_code(pytestconfig: pytest.Config) -> set[str]:
    """The literal reasons of `Undecodable` and `DeadLetter` in the chassis."""
    text = "".join(file.read_text() for file in (pytestconfig.rootpath / "libs/chassis/src").rglob("*.py"))
    found = set(re.findall(r'Undecodable\(\s*"([a-z-]+)"', text))
    return found | set(re.findall(r'DeadLetter\([\w.]+, "([a-z-]+)"', text)) - {"key-held"}


async def test_metrics_are_answered_with_exemplars_to_a_caller_that_can_read_them(
    project: TestDatabase,
) -> None:
    histogram = Histogram("things_age_seconds", "Age of things")
    histogram.observe(0.2, {"trace_id": "a" * 32})
    try:
        async with management_client(built(project)) as operator:
            plain = await operator.get("/metrics")
            accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
            rich = await operator.get("/metrics", headers={"Accept": accept})
    finally:
        REGISTRY.unregister(histogram)
    assert plain.headers["content-type"].startswith("text/plain")
    assert "trace_id" not in plain.text
    assert rich.headers["content-type"].startswith("application/openmetrics-text")
    exemplars = [
        sample.exemplar.labels
        for family in parser.text_string_to_metric_families(rich.text)  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.exemplar
    ]
    assert {"trace_id": "a" * 32} in exemplars


async def test_without_the_database_its_gauges_stay_and_grow_old(project: TestDatabase) -> None:
    away = False

    async def read(connection: Connection) -> None:
        if away:
            raise DatabaseUnavailable("no database")

    service = built(project, BusinessMetrics(read=read))
    async with management_client(service) as operator:
        await operator.get("/metrics")
        assert (value("chassis_gauges_age_seconds") or 0) < 1
        away = True
        service.context.process.gauges_read_at -= 100
        assert (await operator.get("/metrics")).status_code == 200
        assert (value("chassis_gauges_age_seconds") or 0) >= 100


async def test_an_error_in_the_gauges_of_a_service_is_not_hidden(project: TestDatabase) -> None:
    async def read(connection: Connection) -> None:
        raise KeyError("a bug")

    async with management_client(built(project, BusinessMetrics(read=read))) as operator:
        assert (await operator.get("/metrics")).status_code == 500


async def test_waits_for_a_connection_are_measured(
    project: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pool_value(name: str, **labels: str) -> float | None:
        return value(f"db_client_connection_{name}", db_client_connection_pool_name="tests", **labels)

    database = Database(project.url, pool_size=1)
    database.measure_connections("tests")
    async with database.reading():
        waiting = asyncio.create_task(_read(database))

        async def is_seen() -> None:
            database.show_connections()
            assert pool_value("pending_requests") == 1

        await eventually(is_seen)
        assert pool_value("count", db_client_connection_state="used") == 1
        monkeypatch.setattr(pool, "CONNECT_SECONDS", 0.01)
        with pytest.raises(DatabaseUnavailable):
            await _read(database)
        assert pool_value("timeouts_total") == 1
    await waiting
    database.show_connections()
    assert (pool_value("pending_requests"), pool_value("max")) == (0, 1)
    assert pool_value("wait_time_seconds_count") == 2
    assert (pool_value("wait_time_seconds_sum") or 0) > 0
    assert pool_value("count", db_client_connection_state="idle") == 1
    await database.close()


async def _read(database: Database) -> None:
    async with database.reading():
        pass


async def test_a_blocked_event_loop_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def late() -> float:
        return (value("chassis_event_loop_lag_seconds_count") or 0) - (
            value("chassis_event_loop_lag_seconds_bucket", le="0.01") or 0
        )

    monkeypatch.setattr(loop_lag, "TICK_SECONDS", 0.01)
    before = late()
    measuring = asyncio.create_task(loop_lag.measure_loop_lag())
    await asyncio.sleep(0)
    threading.Event().wait(0.05)  # the loop waits, too

    async def is_seen() -> None:
        assert late() > before

    await eventually(is_seen)
    measuring.cancel()


def test_an_outage_is_shown_by_the_name_of_the_dependency() -> None:
    now = 0.0
    outages = Outages(lambda: now)
    outages.failed("post-office", "letters", OSError("away"))
    assert value("chassis_dependency_away", dependency="post-office") == 1
    now = 100.0
    outages.answered("post-office")
    assert value("chassis_dependency_away", dependency="post-office") == 0


def test_a_child_is_made_once() -> None:
    counter = Counter("things_made_total", "Things", ["kind"])
    children = metrics.Children(counter)
    try:
        children["a",].inc()
        children["a",].inc()
        children.start_at_zero([("a",), ("b",)])
        found: Mapping[str, float | None] = {kind: value("things_made_total", kind=kind) for kind in "abc"}
        assert found == {"a": 2, "b": 0, "c": None}
    finally:
        REGISTRY.unregister(counter)


async def test_answers_are_those_of_the_management_port_alone(project: TestDatabase) -> None:
    async with client(built(project)) as http:
        answer: httpx.Response = await http.get("/metrics")
    assert answer.status_code == 404
