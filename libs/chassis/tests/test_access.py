"""A route that does not declare who may call it cannot exist."""

from typing import Any

import pytest
from fastapi import APIRouter
from pydantic import SecretStr, ValidationError

from chassis.service import Service, build_service
from chassis.settings import ServiceSettings
from chassis.web import GuardedRoute
from chassis.web.access import PUBLIC, Role, allow
from chassis.web.guarded_route import UndeclaredAccess
from chassis.web.retry_route import RetryRoute
from testkit import client, management_client


def settings(**more: Any) -> ServiceSettings:
    return ServiceSettings(
        service_name="things",
        database_url=SecretStr("postgresql://things:x@127.0.0.1:1/things"),
        kafka_bootstrap_servers="127.0.0.1:1",
        SHOP_ROLE="api",
        **more,
    )


async def read() -> str:
    return "read"


def service_with(router: APIRouter, **more: Any) -> Service:
    return build_service(settings(**more), router=router)


def test_a_guarded_route_without_a_declaration_is_not_built() -> None:
    router = APIRouter(route_class=GuardedRoute)
    with pytest.raises(UndeclaredAccess, match="/things"):
        router.get("/things")(read)


def test_a_declaration_names_a_role() -> None:
    with pytest.raises(ValueError, match="PUBLIC"):
        allow()


@pytest.mark.parametrize("router", [APIRouter(), APIRouter(route_class=RetryRoute)])
def test_a_service_with_a_route_of_another_class_is_not_built(router: APIRouter) -> None:
    router.get("/things")(read)
    with pytest.raises(UndeclaredAccess, match="/things"):
        service_with(router)


def test_the_document_names_the_roles_of_each_operation() -> None:
    router = APIRouter(route_class=GuardedRoute, dependencies=[allow(Role.CLERK)])
    router.get("/things")(read)
    router.get("/both", dependencies=[allow(Role.CUSTOMER, Role.OPERATOR)])(read)
    router.get("/open", dependencies=[PUBLIC])(read)
    document = service_with(router).app.openapi()
    operations = {path: methods["get"] for path, methods in document["paths"].items()}
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert operations["/things"]["security"] == [{"bearer": ["clerk"]}]
    assert operations["/both"]["security"] == [{"bearer": ["customer"]}, {"bearer": ["operator"]}]
    assert operations["/open"]["security"] == []
    assert {"401", "403"} <= operations["/things"]["responses"].keys()
    assert "401" not in operations["/open"]["responses"]


def test_a_service_without_an_issuer_names_the_missing_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OIDC_ISSUER")
    with pytest.raises(ValidationError, match="oidc_issuer"):
        settings()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "issuer",
        "ftp://issuer",
        "http://",
        "http://u:p@issuer",
        "http://issuer?a",
        "http://issuer#a",
        "http://i:x",
    ],
)
def test_an_issuer_that_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="OIDC_ISSUER must look like"):
        settings(oidc_issuer=url)


async def test_while_the_issuer_is_away_a_service_says_so_and_refuses_with_503() -> None:
    router = APIRouter(route_class=GuardedRoute, dependencies=[allow(Role.CLERK)])
    router.get("/things")(read)
    service = service_with(router, oidc_issuer="http://127.0.0.1:1")
    keys = service.context.tokens.keys
    gone = keys.fetch
    async with client(service) as http, management_client(service) as probe:
        keys.fetch = gone
        keys._fetched_at = None
        await keys.refresh()
        body = (await probe.get("/readyz")).json()
        assert (body["status"], body["checks"]["issuer"]) == ("not ready", "away: URLError")
        answer = await http.get("/things")
        assert (answer.status_code, answer.json()["dependency"]) == (503, "issuer")
        assert int(answer.headers["retry-after"]) >= 1
        assert (await probe.get("/livez")).status_code == 200


async def test_a_token_of_a_customer_opens_no_route_of_an_operator() -> None:
    service = service_with(APIRouter())
    async with client(service), management_client(service) as probe:
        probe.headers.pop("Authorization")
        assert (await probe.get("/admin/dead-letters")).status_code == 401
        assert (await probe.get("/metrics")).status_code == 200
