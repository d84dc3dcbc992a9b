"""The inventory of APIs is complete: a service answers the routes that its contract names, and no others."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts

from chassis.service import Service
from chassis.web import GuardedRoute
from chassis.web.access import Role, allow

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
UNNAMED = {
    "app": {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"},
    "management": {"/admin/openapi.json", "/admin/docs", "/livez", "/readyz", "/metrics", "/version"},
}
"""Paths that a contract does not name: the pages of the API itself, and the probes."""


async def nothing() -> None:
    """The endpoint of a planted route."""


def answered(app: FastAPI) -> Iterator[str]:
    """Method and path of each route of an app."""
    for context in iter_route_contexts(app.routes):
        route: Any = context.original_route
        for method in route.methods - {"HEAD"}:
            yield f"{method} {context.path}"


def named(document: str) -> set[str]:
    """Method and path of each operation of a contract."""
    paths = yaml.safe_load((ROOT / "contracts/openapi" / f"{document}.yaml").read_text())["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


def differences(app: FastAPI, document: str, unnamed: set[str]) -> set[str]:
    """The routes that only the app or only its contract has."""
    routes = {route for route in answered(app) if route.partition(" ")[2] not in unnamed}
    return routes ^ named(document)


@pytest.mark.parametrize("which", ["app", "management"])
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_answers_the_routes_of_its_contract_and_no_others(
    service_of: Callable[[str], Service], name: str, which: str
) -> None:
    document = name if which == "app" else "management"
    assert differences(getattr(service_of(name), which), document, UNNAMED[which]) == set()


def test_a_route_that_is_hidden_from_the_contract_is_seen(service_of: Callable[[str], Service]) -> None:
    service = service_of("orders")
    planted = APIRouter(route_class=GuardedRoute, dependencies=[allow(Role.CUSTOMER)])
    planted.get("/v0/orders", include_in_schema=False)(nothing)
    service.app.include_router(planted)
    assert differences(service.app, "orders", UNNAMED["app"]) == {"GET /v0/orders"}


def test_a_route_that_the_contract_alone_has_is_seen(service_of: Callable[[str], Service]) -> None:
    service = service_of("orders")
    assert "POST /products" in differences(service.app, "inventory", UNNAMED["app"])
