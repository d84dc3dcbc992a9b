"""All services in one pod (deploy/k8s/overlays/monolith): the pod is killed or replaced while customers buy."""

import time
from functools import partial

from testkit import eventually
from tests.kubernetes.drills import checks
from tests.kubernetes.drills.conftest import READY, Floor
from tests.kubernetes.drills.test_walls import as_superuser
from tests.walls import open_schemas

DEPLOYMENT = "deployment/monolith-api"
ROUNDS = 3


async def names(monolith: Floor) -> list[str]:
    """The pods of the monolith."""
    return [pod["metadata"]["name"] for pod in await monolith.all("pods")]


async def is_replaced(monolith: Floor, killed: str) -> None:
    (pod,) = await names(monolith) or [killed]
    assert pod != killed
    await monolith.has_replicas("monolith-api", 1)


async def test_a_pod_that_is_killed_again_and_again_costs_no_order(monolith: Floor) -> None:
    began = time.monotonic()
    async with monolith.customers(at_least=30) as sales:
        for _ in range(ROUNDS):
            (killed,) = await names(monolith)
            await monolith.kubectl("delete", "pod", killed, "--grace-period=0", "--force")
            await eventually(partial(is_replaced, monolith, killed), READY)
            await monolith.ready()
    await monolith.judge()
    monolith.note("monolith killed", began, sales)


async def test_a_rolling_update_refuses_no_customer(monolith: Floor) -> None:
    began = time.monotonic()
    async with monolith.customers() as sales:
        await monolith.kubectl("rollout", "restart", DEPLOYMENT)
        await monolith.ready()
    await monolith.judge(traces=True)
    assert checks.customer_faults(sales) == []
    monolith.note("monolith rolled out", began, sales)


async def test_no_module_reads_the_schema_of_another_and_a_right_too_many_is_seen(monolith: Floor) -> None:
    urls = monolith.target.database_urls
    assert await open_schemas(urls) == []
    given = ("USAGE ON SCHEMA payments", "SELECT ON payments.outbox")
    for right in given:
        await as_superuser(monolith, "monolith", f"GRANT {right} TO orders_owner")
    try:
        assert await open_schemas(urls) == ["orders can read the outbox of payments"]
    finally:
        for right in given:
            await as_superuser(monolith, "monolith", f"REVOKE {right} FROM orders_owner")
