"""Each route refuses each role that it does not name: a customer carries out no function of a clerk or an operator."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts

from chassis.service import Service
from chassis.web import GuardedRoute
from chassis.web.access import PUBLIC, Access, Role, allow
from testkit import login, trust_test_keys

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
PLANTED = "/orders/{order_id}/planted"
ROLE_MISSING = "urn:shopfloor:problem:role-missing"


async def nothing() -> None:
    """The endpoint of a planted route."""


def guarded(app: FastAPI) -> Iterator[tuple[str, str, Access]]:
    """Method, path and access of each route that needs a token."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, GuardedRoute) and not route.access.is_public:
            path = str(context.path).format(**dict.fromkeys(route.param_convertors, "1"))
            for method in sorted(route.methods or ()):
                yield method, path, route.access


async def admitted(service: Service, app: FastAPI, routes: FastAPI) -> set[str]:
    """The requests that `app` does not refuse although the caller has no token or none of the roles of the route.

    `routes` is the app whose routes are called.
    """
    await trust_test_keys(service)
    name = service.settings.service_name
    found = set()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
        for method, path, access in guarded(routes):
            if (await http.request(method, path)).status_code != 401:
                found.add(f"{method} {path} without a token")
            for role in set(Role) - set(access.roles):
                answer = await http.request(method, path, headers=login(name, "c-eve", [role]))
                if answer.status_code != 403 or answer.json()["type"] != ROLE_MISSING:
                    found.add(f"{method} {path} as {role}")
    return found


@pytest.mark.parametrize("name", SERVICES)
async def test_no_route_admits_a_caller_without_a_role_that_it_names(
    service_of: Callable[[str], Service], name: str
) -> None:
    service = service_of(name)
    for app in (service.app, service.management):
        assert len(list(guarded(app))) > 0
        assert await admitted(service, app, app) == set()


async def test_a_route_that_admits_too_many_roles_is_seen(service_of: Callable[[str], Service]) -> None:
    service = service_of("orders")
    declared = FastAPI()
    router = APIRouter(route_class=GuardedRoute, dependencies=[allow(Role.OPERATOR)])
    router.get(PLANTED)(nothing)
    declared.include_router(router)
    planted = APIRouter(route_class=GuardedRoute)
    planted.get(PLANTED, dependencies=[allow(Role.OPERATOR, Role.CUSTOMER)])(nothing)
    service.app.include_router(planted)
    assert await admitted(service, service.app, declared) == {"GET /orders/1/planted as customer"}


async def test_a_route_that_forgot_the_token_is_seen(service_of: Callable[[str], Service]) -> None:
    service = service_of("orders")
    declared = FastAPI()
    router = APIRouter(route_class=GuardedRoute, dependencies=[allow(*Role)])
    router.get(PLANTED)(nothing)
    declared.include_router(router)
    planted = APIRouter(route_class=GuardedRoute)
    planted.get(PLANTED, dependencies=[PUBLIC])(nothing)
    service.app.include_router(planted)
    assert await admitted(service, service.app, declared) == {"GET /orders/1/planted without a token"}
