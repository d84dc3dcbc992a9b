"""Every route of every service declares who may call it, and the contracts name the roles."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import yaml
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from chassis.web import GuardedRoute
from chassis.web.access import PUBLIC, Role, allow
from chassis.web.guarded_route import UndeclaredAccess, require_declared_access
from chassis.web.retry_route import RetryRoute
from shop_stack import paths

SERVICES = sorted(path.parent.name for path in (paths.repository() / "services").glob("*/pyproject.toml"))
ROLES = {role.value for role in Role}
DOCUMENTS = {
    "/openapi.json",
    "/docs",
    "/docs/oauth2-redirect",
    "/redoc",
    "/admin/openapi.json",
    "/admin/docs",
}
"""Pages that FastAPI serves, of which the contracts in this repository have the same text. They need no token."""
PROBES = {"/livez", "/readyz", "/metrics", "/version"}


@pytest.fixture
def app(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """The public app or the management app of a service. No database and no broker answers it."""
    name, which = request.param
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:x@127.0.0.1:1/nothing")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("PROCESSOR_API_KEY", "no-key")
    built: FastAPI = getattr(import_module(f"{name}.main").create_service(), which)
    return built


def routes(app: FastAPI) -> Iterator[tuple[str, Any]]:
    for context in iter_route_contexts(app.routes):
        yield str(context.path), context.original_route


def undeclared(app: FastAPI) -> list[str]:
    """The paths of routes that declare no access, and are no pages of DOCUMENTS."""
    return [
        path
        for path, route in routes(app)
        if not isinstance(route, GuardedRoute) and not (path in DOCUMENTS and not isinstance(route, APIRoute))
    ]


def public(app: FastAPI) -> set[str]:
    """The paths of routes that need no token."""
    return {path for path, route in routes(app) if isinstance(route, GuardedRoute) and route.access.is_public}


@pytest.mark.parametrize(
    "app", [(name, which) for name in SERVICES for which in ("app", "management")], indirect=True
)
def test_every_route_declares_who_may_call_it_and_only_probes_are_public(app: FastAPI) -> None:
    assert undeclared(app) == []
    assert public(app) <= PROBES


@pytest.mark.parametrize("route_class", [APIRoute, RetryRoute])
def test_a_planted_route_without_a_declaration_is_found(route_class: type[APIRoute]) -> None:
    router = APIRouter(route_class=route_class)
    router.get("/planted")(lambda: None)
    app = FastAPI()
    app.include_router(router)
    assert undeclared(app) == ["/planted"]
    with pytest.raises(UndeclaredAccess, match="/planted"):
        require_declared_access(app.routes)


def test_a_planted_route_for_everybody_is_found() -> None:
    router = APIRouter(route_class=GuardedRoute, dependencies=[allow(Role.OPERATOR)])
    router.get("/guarded")(lambda: None)
    router.get("/planted", dependencies=[PUBLIC])(lambda: None)
    app = FastAPI()
    app.include_router(router)
    assert public(app) == {"/planted"}


def operations(document: str) -> Iterator[tuple[str, Any]]:
    text = (paths.contracts() / "openapi" / f"{document}.yaml").read_text()
    for path, methods in yaml.safe_load(text)["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def roles_of(operation: Any) -> set[str]:
    return {role for requirement in operation["security"] for role in requirement["bearer"]}


@pytest.mark.parametrize("document", [*SERVICES, "management"])
def test_the_contract_names_roles_and_refusals_of_every_operation(document: str) -> None:
    for name, operation in operations(document):
        roles = roles_of(operation)
        assert roles, name
        assert roles <= ROLES, name
        assert {"401", "403"} <= operation["responses"].keys(), name


def test_the_admin_api_is_for_operators_alone() -> None:
    assert {tuple(roles_of(operation)) for _, operation in operations("management")} == {("operator",)}


def test_no_role_both_buys_and_sells() -> None:
    """A customer changes no product, and a clerk places no order: the separation that the roles are for."""
    orders = dict(operations("orders"))
    assert (
        roles_of(orders["POST /orders"]) == roles_of(orders["POST /orders/{order_id}/cancel"]) == {"customer"}
    )
    inventory = dict(operations("inventory"))
    changes = ("POST /products", "PUT /products/{sku}/price", "POST /products/{sku}/replenish")
    assert [roles_of(inventory[name]) for name in changes] == [{"clerk"}] * len(changes)
