"""Each service is deployed and rolled back repeatedly under load: no request fails, and no order is lost."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shop_lab.experiments import background_orders, shutdown
from shop_lab.experiments.clients import Client
from shop_oracle.gather import gather
from shop_oracle.report import judge
from shop_stack import deployments, handover, venvs
from shop_stack.ports import SERVICES
from shop_stack.stack import Stack
from shop_stack.target import Target
from shop_stack.target import embedded as target_of
from testkit.release_copies import add_migration, copied_release
from testkit.shops import running_shop

ROUNDS = 3
RATE = 40.0
"""Orders per second, in addition to those of the strict clients."""
REST_SECONDS = 120.0


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_shop("deployments") as (stack, _):
        yield stack


@pytest.fixture
def target(stack: Stack) -> Target:
    return target_of(stack.state)


@asynccontextmanager
async def loaded(stack: Stack, target: Target) -> AsyncIterator[Sequence[Client]]:
    """Orders at RATE on kept connections, and strict clients with a new connection for each request."""
    ports = {name: (stack.ports.service(name),) for name in stack.services}
    async with background_orders.running(target, RATE), shutdown.visited(target, ports) as crowd:
        yield crowd


def failures_of(crowd: Sequence[Client]) -> dict[str, int]:
    failed = sum((client.failures for client in crowd), Counter[str]())
    return {**failed, "refused": sum(client.refused for client in crowd)}


async def judged(target: Target) -> None:
    verdict = judge(await gather(target, REST_SECONDS, lambda step: None))
    assert verdict.holds, verdict.complaint


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_is_deployed_and_rolled_back_without_a_failed_request(
    stack: Stack, target: Target, service: str, tmp_path: Path
) -> None:
    with copied_release(service, tmp_path) as release:
        add_migration(release)
        await venvs.ensure(release.project)
        try:
            async with loaded(stack, target) as crowd:
                for _ in range(ROUNDS):
                    assert (await deployments.deploy(stack, release)).gap == ""
                    assert (await deployments.rollback(stack, service)).gap == ""
        finally:
            if deployments.deployed(stack):
                await deployments.deploy(stack, deployments.clone(service))
    assert sum(client.answers for client in crowd) > 0
    assert failures_of(crowd) == {"refused": 0}
    await judged(target)


async def test_the_clients_see_a_deployment_that_stops_the_service_first(
    stack: Stack, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if the clients of the other tests could not see a gap."""
    monkeypatch.setattr(handover, "why_not", lambda *_: "planted")
    async with loaded(stack, target) as crowd:
        assert (await deployments.deploy(stack, deployments.clone("orders"))).gap == "planted"
    assert failures_of(crowd)["refused"] > 0
    await judged(target)
