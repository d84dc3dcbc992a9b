"""The monolith in containers, built and started from nothing: orders, the oracle, the walls between its modules."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from shop_load.closed_loop import Customers, serve_customers
from shop_load.plans import plan_run
from shop_observe.history import History
from shop_oracle.gather import gather
from shop_oracle.report import judge
from shop_stack import compose, paths
from shop_stack.ports import SERVICES
from shop_stack.target import Target
from tests.compose.running.conftest import free_prefix, up
from tests.walls import open_schemas

ORDERS = 60


@pytest.fixture(scope="module")
def monolith(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A monolith that no person uses."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("COMPOSE_FILE", "deploy/compose/monolith.yml")
        environment.setenv("COMPOSE_PROJECT_NAME", "shopfloor-test-monolith")
        environment.setenv("SHOP_PORTS", free_prefix())
        environment.delenv("OIDC_ISSUER", raising=False)
        compose.docker("compose", "down", "--volumes", "--remove-orphans")
        try:
            up("--build")
            with compose.connect(tmp_path_factory.mktemp("monolith"), paths.contracts()) as target:
                yield target
        finally:
            compose.docker("compose", "down", "--volumes", "--remove-orphans")


async def place(target: Target, orders: int) -> int:
    run = plan_run(f"monolith-{time.time_ns():x}", orders, seed=3)
    with History(target.state / "history", run.name) as history:
        return len(await serve_customers(target, run, history, Customers(concurrency=4)))


async def test_orders_of_every_outcome_end_although_the_process_is_killed(monolith: Target) -> None:
    before = started("monolith")
    placing = asyncio.create_task(place(monolith, ORDERS))
    await asyncio.sleep(2)
    await asyncio.to_thread(compose.docker, "compose", "kill", "monolith")
    await asyncio.to_thread(compose.docker, "compose", "up", "--wait", "monolith")
    assert await placing == ORDERS
    verdict = judge(await gather(monolith, 120, lambda _: None))
    assert verdict.complaint == ""
    assert started("monolith") != before


def started(service: str) -> str:
    """When a container was started."""
    name = compose.docker("compose", "ps", "--all", "--quiet", service).strip()
    return compose.docker("inspect", "--format", "{{.State.StartedAt}}", name).strip()


async def test_no_module_can_read_the_schema_of_another(monolith: Target) -> None:
    """As the owner, which has more rights than the role of the process."""
    assert monolith.database_urls.keys() == set(SERVICES)
    assert await open_schemas(monolith.database_urls) == []


def test_it_runs_without_kafka_and_without_root(monolith: Target) -> None:
    assert "kafka" not in compose.docker("compose", "ps", "--services").split()
    assert compose.docker("compose", "exec", "monolith", "id", "-u").strip() == "10001"
