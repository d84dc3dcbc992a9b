"""The public port of a service has no route of the management port, and the other way round."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp

from chassis.service import Service
from chassis.web import probes

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))


def routes_of(router: Any) -> Iterator[Route]:
    """All routes of an app or a router, also those of its documentation."""
    for route in router.routes:
        if isinstance(route, Route):
            yield route
        else:
            yield from routes_of(route.original_router)


def requests_of(app: FastAPI) -> list[tuple[str, str]]:
    """A method and a path for each route of an app."""
    return [
        (method, route.path.format(**dict.fromkeys(route.param_convertors, "1")))
        for route in routes_of(app)
        for method in sorted(route.methods or ())
    ]


async def answered_with_404(app: ASGIApp, requests: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """The requests to which the app answers with the problem that there is no such path."""
    found = set()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
        for method, path in requests:
            answer = await http.request(method, path)
            is_problem = answer.headers["content-type"] == "application/problem+json"
            if (answer.status_code, is_problem) == (404, True):
                found.add((method, path))
    return found


async def shared_routes(app: FastAPI, own: ASGIApp, other: ASGIApp) -> set[tuple[str, str]]:
    """The routes of `app` that its own port `own` and the other port `other` answer."""
    requests = requests_of(app)
    assert await answered_with_404(own, requests) == set()
    return set(requests) - await answered_with_404(other, requests)


async def public_management_routes(service: Service) -> set[tuple[str, str]]:
    return await shared_routes(service.management, service.management_asgi, service.asgi)


async def public_routes_of_management(service: Service) -> set[tuple[str, str]]:
    return await shared_routes(service.app, service.asgi, service.management_asgi)


ServiceOf = Callable[[str], Service]


@pytest.mark.parametrize("name", SERVICES)
async def test_the_public_port_answers_404_to_every_route_of_the_management_port(
    service_of: ServiceOf, name: str
) -> None:
    service = service_of(name)
    paths = {path for _, path in requests_of(service.management)}
    assert paths >= {"/livez", "/readyz", "/metrics", "/version", "/admin/republish", "/admin/docs"}
    assert await public_management_routes(service) == set()


@pytest.mark.parametrize("name", SERVICES)
async def test_the_management_port_answers_404_to_every_public_route(
    service_of: ServiceOf, name: str
) -> None:
    service = service_of(name)
    assert {path for _, path in requests_of(service.app)} >= {"/docs", "/openapi.json"}
    assert await public_routes_of_management(service) == set()


async def test_a_management_route_on_the_public_port_is_seen(service_of: ServiceOf) -> None:
    service = service_of("orders")
    service.app.include_router(probes.router)
    expected = {("GET", "/livez"), ("GET", "/readyz"), ("GET", "/metrics")}
    assert await public_management_routes(service) == expected


async def test_a_public_route_on_the_management_port_is_seen(service_of: ServiceOf) -> None:
    service = service_of("orders")
    service.management.add_api_route("/prices", list, methods=["GET"])
    assert await public_routes_of_management(service) == {("GET", "/prices")}


@pytest.mark.parametrize("name", SERVICES)
async def test_a_path_with_a_slash_more_is_not_found_on_either_port(
    service_of: Callable[[str], Service], name: str
) -> None:
    """A redirect would come before the check of the token, and its address would be the `Host` of the request."""
    service = service_of(name)
    for app, asgi in ((service.app, service.asgi), (service.management, service.management_asgi)):
        requests = [(method, f"{path}/") for method, path in requests_of(app) if "oauth2" not in path]
        assert requests
        assert set(requests) - await answered_with_404(asgi, requests) == set()
