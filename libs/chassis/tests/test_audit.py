"""The audit lines: who has changed something, and who was refused. No line has a text that a client chose."""

import json
from collections.abc import AsyncIterator, MutableMapping, Sequence
from typing import Any

import httpx
import pytest
import structlog
from fastapi import APIRouter
from prometheus_client import REGISTRY
from pydantic import BaseModel
from structlog.testing import capture_logs

from chassis.observability.logs import configure_logging
from chassis.service import Service
from chassis.web import GuardedRoute, Problem, audit
from chassis.web.access import PUBLIC, CurrentCaller, Role, allow
from libs.chassis.tests.api_services import api_service, client_without_token
from testkit import client, eventually, login, management_client, token
from testkit.tokens import signing_key

NAME = "grace-hopper"
"""A customer's name, which no line may have."""
router = APIRouter(route_class=GuardedRoute, dependencies=[allow(Role.CLERK)])
Lines = Sequence[MutableMapping[str, Any]]


class Thing(BaseModel):
    """The body of a request."""

    number: int


@router.get("/things/{name}", dependencies=[allow(Role.CUSTOMER, Role.CLERK)])
async def read(name: str) -> str:
    return "read"


@router.put("/things/{name}", status_code=202)
async def change(name: str, thing: Thing) -> str:
    if thing.number == 0:
        raise Problem(409, "thing-in-use", "The thing is in use", name)
    if thing.number < 0:
        raise ValueError(name)
    return "changed"


@router.post("/orders", dependencies=[allow(Role.CUSTOMER)])
async def order(caller: CurrentCaller) -> str:
    raise Problem(403, "other-customer", "The order names another customer", NAME)


@router.post("/open", dependencies=[PUBLIC])
async def write_openly() -> str:
    return "open"


@pytest.fixture(autouse=True)
def logs(monkeypatch: pytest.MonkeyPatch) -> None:
    # A logger keeps the processors of its first use, so that `capture_logs` would see nothing in a whole run.
    monkeypatch.setattr(audit, "log", structlog.get_logger())


@pytest.fixture
def service() -> Service:
    return api_service(router)


@pytest.fixture
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with client_without_token(service) as opened:
        yield opened


def clerk(subject: str = "clerk:ada") -> dict[str, str]:
    return login("things", subject, ["clerk"])


def audited(lines: Lines) -> list[dict[str, Any]]:
    """The audit lines without their level."""
    return [
        {name: value for name, value in line.items() if name != "log_level"}
        for line in lines
        if line["event"].startswith("audit.")
    ]


def counted(reason: str) -> float:
    return REGISTRY.get_sample_value("chassis_access_refused_total", {"reason": reason}) or 0.0


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"number": 1}, "202"),
        ({"number": 0}, "thing-in-use"),
        ({"number": -1}, "ValueError"),
        ({"number": NAME}, "RequestValidationError"),
    ],
)
async def test_an_act_has_a_line_with_its_subject_its_route_and_its_outcome(
    http: httpx.AsyncClient, body: dict[str, Any], outcome: str
) -> None:
    with capture_logs() as lines:
        await http.put(f"/things/{NAME}", json=body, headers=clerk())
    assert audited(lines) == [
        {
            "event": "audit.act",
            "who": "clerk:ada",
            "method": "PUT",
            "route": "/things/{name}",
            "outcome": outcome,
        }
    ]


async def test_reads_and_requests_of_customers_have_no_line(http: httpx.AsyncClient) -> None:
    with capture_logs() as lines:
        assert (await http.get(f"/things/{NAME}", headers=clerk())).status_code == 200
        assert (await http.post("/open")).status_code == 200
        assert (await http.get("/nothing")).status_code == 404
    assert audited(lines) == []


async def test_an_act_on_the_management_port_has_a_line(service: Service) -> None:
    async with client(service), management_client(service) as admin:
        headers = login("things", "operator:bob", ["operator"])
        with capture_logs() as lines:
            await admin.post("/admin/dead-letters/discard", json={}, headers=headers)
    assert audited(lines) == [
        {
            "event": "audit.act",
            "who": "operator:bob",
            "method": "POST",
            "route": "/admin/dead-letters/discard",
            "outcome": "empty-selection",
        }
    ]


async def test_refusals_have_a_line_with_their_reason_and_a_subject_only_if_the_token_was_right(
    http: httpx.AsyncClient,
) -> None:
    before = counted("role-missing")
    forged = token("things", NAME, ["clerk"], signing_key("forged"))
    with capture_logs() as lines:
        await http.get(f"/things/{NAME}")
        await http.get(f"/things/{NAME}", headers={"Authorization": f"Bearer {forged}"})
        await http.put(f"/things/{NAME}", json={"number": 1}, headers=login("things", "cus_1", ["customer"]))
        await http.post("/orders", headers=login("things", "cus_1", ["customer"]))
    refused = [(line["who"], line["status"], line["reason"], line["route"]) for line in audited(lines)]
    assert refused == [
        ("", 401, "token-missing", "/things/{name}"),
        ("", 401, "token-key-unknown", "/things/{name}"),
        ("cus_1", 403, "role-missing", "/things/{name}"),
        ("cus_1", 403, "other-customer", "/orders"),
    ]
    assert counted("role-missing") - before == 1


async def test_a_flood_of_refusals_has_a_few_lines_and_a_number(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "PERIOD_SECONDS", 0.5)
    before = counted("token-missing")
    with capture_logs() as lines:
        for _ in range(audit.LINES + 25):
            await http.get("/things/x")
        await http.put("/things/x", json={}, headers=login("things", "cus_1", ["customer"]))

        async def period_has_ended() -> None:
            assert "audit.refusals_omitted" in {line["event"] for line in lines}

        await eventually(period_has_ended, 10)
        await http.get("/things/x")
    told = [(line["event"], line["reason"], line.get("refusals")) for line in audited(lines)]
    assert told == [
        *[("audit.refused", "token-missing", None)] * audit.LINES,
        ("audit.refused", "role-missing", None),
        ("audit.refusals_omitted", "token-missing", 25),
        ("audit.refused", "token-missing", None),
    ]
    assert counted("token-missing") - before == audit.LINES + 26


async def test_no_line_has_a_token_or_a_text_that_the_client_has_chosen(
    http: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    right, forged = clerk(), token("things", NAME, ["clerk"], signing_key("forged"))
    configure_logging("things", "info")
    with_name = {"User-Agent": NAME, "X-Forwarded-For": NAME, "Cookie": NAME, "Referer": NAME}
    for headers in (
        right,
        {"Authorization": f"Bearer {forged}"},
        {"Authorization": NAME},
        {},
        login("things", "cus_1", ["customer"]),
    ):
        for body in ({"number": 1}, {"number": 0}, {"number": NAME}, NAME):
            await http.put(f"/things/{NAME}?name={NAME}", json=body, headers={**with_name, **headers})
        await http.request(NAME, f"/things/{NAME}", headers={**with_name, **headers})
    printed = capsys.readouterr().out
    lines = [json.loads(line) for line in printed.splitlines()]
    assert {line["event"] for line in lines} == {"audit.act", "audit.refused"}
    assert {"service", "timestamp", "level"} <= lines[0].keys()
    secrets = [NAME, *(headers.split(".")[2] for headers in (right["Authorization"], forged))]
    assert [text for text in secrets if text in printed] == []
