"""A shop in containers, built and started from nothing once for all tests here, and removed with its data."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shop_load.closed_loop import Customers, Placed, serve_customers
from shop_load.plans import Scenario, plan_run
from shop_observe.history import History
from shop_stack import compose, paths
from shop_stack.ports import is_free
from shop_stack.target import Target

PROJECT = "shopfloor-test"
PORTS = (*range(1, 6), 10, 32, 86, 92)
"""The last two digits of those that docker-compose.yml publishes."""
SECONDS_TO_START = "900"


@dataclass(frozen=True)
class Containers:
    """The shop as tests use it."""

    target: Target
    services: dict[str, Any]
    """docker-compose.yml as Docker understands it."""

    def runtime_url(self, service: str, database: str) -> str:
        """As the service itself connects, from this machine, to a database of choice."""
        password = self.services["passwords"]["environment"][f"{service.upper()}_PASSWORD"]
        port = compose.published_ports()["postgres"][compose.POSTGRES_PORT]
        return f"postgresql://{service}:{password}@127.0.0.1:{port}/{database}"

    def owner_url(self, service: str, database: str) -> str:
        """As the service's migration connects."""
        return f"{self.target.database_urls[service].rpartition('/')[0]}/{database}"

    def superuser_url(self, database: str) -> str:
        password = self.services["postgres"]["environment"]["POSTGRES_PASSWORD"]
        port = compose.published_ports()["postgres"][compose.POSTGRES_PORT]
        return f"postgresql://postgres:{password}@127.0.0.1:{port}/{database}"

    def container(self, service: str) -> dict[str, Any]:
        """What Docker knows of a service's container."""
        name = compose.docker("compose", "ps", "--all", "--quiet", service).strip()
        (found,) = json.loads(compose.docker("inspect", name))
        assert isinstance(found, dict)
        return found


def free_prefix() -> str:
    """First digits of ports that nobody uses, such as 210."""
    return next(
        str(prefix) for prefix in range(210, 320) if all(is_free(100 * prefix + port) for port in PORTS)
    )


def up(*options: str) -> None:
    compose.docker("compose", "up", "--wait", "--wait-timeout", SECONDS_TO_START, *options)


async def place(containers: Containers, orders: int, only: Scenario | None) -> list[Placed]:
    """Customers order, and are told that it is taken."""
    run = plan_run(f"compose-{time.time_ns():x}", orders, seed=5, only=only)
    with History(containers.target.state / "history", run.name) as history:
        return list(await serve_customers(containers.target, run, history, Customers(concurrency=4)))


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    state: Path = tmp_path_factory.mktemp("compose")
    with pytest.MonkeyPatch.context() as environment:
        # A shop that somebody uses is left alone: this one has a name and ports of its own.
        environment.setenv("COMPOSE_PROJECT_NAME", PROJECT)
        environment.setenv("SHOP_PORTS", free_prefix())
        environment.delenv(
            "OIDC_ISSUER"
        )  # the test kit's issuer, which does not answer; this shop has its own
        compose.docker("compose", "down", "--volumes", "--remove-orphans")
        try:
            up("--build")
            services = json.loads(compose.docker("compose", "config", "--format", "json"))["services"]
            with compose.connect(state, paths.contracts()) as target:
                yield Containers(target, services)
        finally:
            compose.docker("compose", "down", "--volumes", "--remove-orphans")
