"""The API of the directory: who reads what, and how a customer is erased."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from issuer.directory import Directory
from issuer.main import create_app
from issuer.settings import Settings
from tools.issuer.tests.conftest import SECRETS, URL, USERS, Clock

ANY_FILTER = {"filter": 'userName eq "grace"'}


async def token_of(issuer: httpx.AsyncClient, client: str, audience: str = "directory", **more: str) -> str:
    form = {"grant_type": "client_credentials", "audience": audience, **more}
    answer = await issuer.post("/token", data=form, auth=(client, SECRETS[client]))
    return str(answer.json()["access_token"])


async def login_of(issuer: httpx.AsyncClient, client: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {await token_of(issuer, client, **more)}"}


@pytest.fixture
async def operator(issuer: httpx.AsyncClient) -> dict[str, str]:
    return await login_of(issuer, "operator")


@pytest.fixture
async def grace(issuer: httpx.AsyncClient, operator: dict[str, str]) -> str:
    """The pseudonym of a customer."""
    await token_of(issuer, "storefront", audience="orders", subject="grace")
    answer = await issuer.post(f"{USERS}/.search", json=ANY_FILTER, headers=operator)
    return str(answer.json()["Resources"][0]["id"])


async def test_an_operator_finds_a_customer_by_the_login_name(
    issuer: httpx.AsyncClient, operator: dict[str, str], grace: str
) -> None:
    answer = await issuer.post(f"{USERS}/.search", json=ANY_FILTER, headers=operator)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/scim+json")
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["totalResults"] == 1
    [user] = body["Resources"]
    assert (user["id"], user["userName"]) == (grace, "grace")
    assert user["emails"] == [{"value": "grace@customers.example", "primary": True}]
    assert user["meta"]["location"] == f"{URL}{USERS}/{grace}"
    unknown = {"filter": 'userName eq "bob"'}
    none = await issuer.post(f"{USERS}/.search", json=unknown, headers=operator)
    assert (none.json()["totalResults"], none.json()["Resources"]) == (0, [])


async def test_notifications_reads_an_address_and_nothing_else(issuer: httpx.AsyncClient, grace: str) -> None:
    login = await login_of(issuer, "notifications")
    answer = await issuer.get(f"{USERS}/{grace}", headers=login)
    assert answer.status_code == 200
    assert answer.json() == {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": grace,
        "emails": [{"value": "grace@customers.example", "primary": True}],
    }
    for refused in (
        await issuer.delete(f"{USERS}/{grace}", headers=login),
        await issuer.post(f"{USERS}/.search", json=ANY_FILTER, headers=login),
    ):
        assert refused.status_code == 403
        assert refused.json()["status"] == "403"
    assert (await issuer.get(f"{USERS}/{grace}", headers=login)).status_code == 200


async def test_a_caller_gets_the_attributes_that_it_asks_for(
    issuer: httpx.AsyncClient, operator: dict[str, str], grace: str
) -> None:
    whole = await issuer.get(f"{USERS}/{grace}", headers=operator)
    assert set(whole.json()) == {"schemas", "id", "userName", "emails", "meta"}
    answer = await issuer.get(f"{USERS}/{grace}", params={"attributes": "emails"}, headers=operator)
    assert set(answer.json()) == {"schemas", "id", "emails"}


async def test_an_erased_customer_is_gone(
    issuer: httpx.AsyncClient, operator: dict[str, str], grace: str, tmp_path: Path
) -> None:
    assert (await issuer.delete(f"{USERS}/{grace}", headers=operator)).status_code == 204
    for gone in (
        await issuer.get(f"{USERS}/{grace}", headers=operator),
        await issuer.delete(f"{USERS}/{grace}", headers=operator),
    ):
        assert (gone.status_code, gone.json()["detail"]) == (404, "there is no such customer")
    assert [file.name for file in tmp_path.iterdir() if b"grace" in file.read_bytes()] == []


@pytest.mark.parametrize(
    ("client", "more", "status"),
    [
        ("storefront", {"subject": "grace"}, 403),
        ("clerk", {}, 403),
        ("operator", {"audience": "orders"}, 401),
        ("notifications", {}, 200),
    ],
)
async def test_only_the_roles_of_the_directory_read_an_entry(
    issuer: httpx.AsyncClient, grace: str, client: str, more: dict[str, str], status: int
) -> None:
    login = await login_of(issuer, client, **more)
    assert (await issuer.get(f"{USERS}/{grace}", headers=login)).status_code == status


@pytest.mark.parametrize("header", [{}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer x.y.z"}])
async def test_a_caller_without_a_token_reads_nothing(
    issuer: httpx.AsyncClient, grace: str, header: dict[str, str]
) -> None:
    answer = await issuer.get(f"{USERS}/{grace}", headers=header)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_an_expired_token_reads_nothing(issuer: httpx.AsyncClient, clock: Clock, grace: str) -> None:
    login = await login_of(issuer, "notifications")
    clock.now += 3_601
    assert (await issuer.get(f"{USERS}/{grace}", headers=login)).status_code == 401


async def test_a_token_of_another_issuer_reads_nothing(
    issuer: httpx.AsyncClient, tmp_path: Path, clock: Clock, grace: str
) -> None:
    other = create_app(Settings("", 0, URL, tmp_path / "others.json", tmp_path / "others", SECRETS), clock)
    async with (
        other.router.lifespan_context(other),
        httpx.AsyncClient(transport=httpx.ASGITransport(other), base_url=URL) as client,
    ):
        login = await login_of(client, "operator")
    assert (await issuer.get(f"{USERS}/{grace}", headers=login)).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"filter": 5}',
        b'{"filter": "id pr"}',
        b'{"filter": "userName eq grace"}',
        json.dumps({"filter": 'userName eq "\\ud800"'}).encode(),
        b"[" * 10_000,
    ],
)
async def test_a_search_that_is_not_understood_is_refused(
    issuer: httpx.AsyncClient, operator: dict[str, str], body: bytes
) -> None:
    answer = await issuer.post(f"{USERS}/.search", content=body, headers=operator)
    assert answer.status_code == 400
    assert "userName eq" in answer.json()["detail"]


async def test_a_search_that_is_too_large_is_refused(
    issuer: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    answer = await issuer.post(f"{USERS}/.search", content=b" " * 20_000, headers=operator)
    assert answer.status_code == 413


async def test_a_directory_that_cannot_be_written_is_no_fault_of_the_caller(
    issuer: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> str:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Directory, "pseudonym_of", fail)
    form = {"grant_type": "client_credentials", "audience": "orders", "subject": "grace"}
    answer = await issuer.post("/token", data=form, auth=("storefront", SECRETS["storefront"]))
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
