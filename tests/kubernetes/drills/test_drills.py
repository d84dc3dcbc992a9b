"""Each drill breaks something while customers buy, and ends with the oracle: nothing lost, nothing doubled.

In the order of docs/labs/kubernetes/, which is the same for people.
"""

import json
import random
import time

import asyncpg

from shop_load.plans import Scenario
from shop_stack.ports import SERVICES
from shop_stack.target import Target
from testkit import eventually
from tests.kubernetes.drills import checks
from tests.kubernetes.drills.conftest import READY, Floor, is_refused


async def states(target: Target) -> dict[str, str]:
    """Order id → state, from the database of orders."""
    connection = await asyncpg.connect(target.database_urls["orders"])
    try:
        return {row[0]: row[1] for row in await connection.fetch("SELECT id::text, state FROM orders")}
    finally:
        await connection.close()


async def test_an_order_through_the_service_is_confirmed_and_leaves_one_trace(floor: Floor) -> None:
    async with floor.customers(at_least=3, only=Scenario.CONFIRMED) as sales:
        pass
    await floor.judge(traces=True)
    assert checks.unconfirmed(sales, await states(floor.target)) == []


async def test_a_rolling_update_of_everything_refuses_no_customer(floor: Floor) -> None:
    began = time.monotonic()
    async with floor.customers() as sales:
        for service in SERVICES:
            for role in ("api", "worker"):
                await floor.kubectl("rollout", "restart", f"deployment/{service}-{role}")
            await floor.ready()
    await floor.judge()
    assert checks.customer_faults(sales) == []
    floor.note("rolling update", began, sales)


async def test_a_release_that_is_taken_back_halfway_leaves_everything_as_it_was(floor: Floor) -> None:
    began = time.monotonic()
    before = await floor.all("deployments")
    async with floor.customers() as sales:
        for role in ("api", "worker"):
            await floor.kubectl("set", "env", f"deployment/orders-{role}", "LOG_LEVEL=warning")
        await eventually(lambda: new_pod_starts(floor, "orders", "api"), READY)
        for role in ("api", "worker"):
            await floor.kubectl("rollout", "undo", f"deployment/orders-{role}")
        await floor.ready()
    await floor.judge()
    assert checks.template_faults(before, await floor.all("deployments")) == []
    assert checks.customer_faults(sales) == []
    floor.note("rollback", began, sales)


async def new_pod_starts(floor: Floor, service: str, role: str) -> None:
    deployment = await floor.get("deployment", f"{service}-{role}")
    assert deployment["status"].get("updatedReplicas", 0) > 0


async def test_pods_killed_at_random_cost_no_order(floor: Floor) -> None:
    began = time.monotonic()
    dice = random.Random(7)
    killed = []
    async with floor.customers(at_least=30) as sales:
        for _ in range(6):
            victim = dice.choice(sorted(pod["metadata"]["name"] for pod in await floor.all("pods")))
            await floor.kubectl("delete", "pod", victim, "--grace-period=0", "--force")
            killed.append(victim.rsplit("-", 2)[0])
        await floor.ready()
    await floor.judge()
    floor.note("pods killed at random", began, sales, killed=killed)


async def test_a_broker_that_restarts_in_business_loses_nothing(floor: Floor) -> None:
    began = time.monotonic()
    async with floor.customers(at_least=30) as sales:
        await floor.kubectl("delete", "pod", "kafka-0", "--wait=false")
        await eventually(lambda: is_away(floor, "kafka"), READY)
        await floor.ready()
    await floor.judge()
    # Orders are taken while the broker is away: they wait in the outbox.
    assert checks.customer_faults(sales, ["place-order"]) == []
    floor.note("broker restart", began, sales)


async def test_a_database_that_crashes_in_business_loses_nothing(floor: Floor) -> None:
    began = time.monotonic()
    before = await floor.all("pods")
    async with floor.customers(at_least=30) as sales:
        await floor.kubectl("delete", "pod", "postgres-0", "--grace-period=0", "--force")
        await eventually(lambda: is_away(floor, "postgres"), READY)
        await floor.ready()
    await floor.judge()
    # Readiness asks the database, liveness does not: a restart mends no database.
    assert checks.restart_faults(before, await floor.all("pods")) == []
    floor.note("database crash", began, sales)


async def is_away(floor: Floor, name: str) -> None:
    status = (await floor.get("statefulset", name))["status"]
    assert status.get("readyReplicas", 0) == 0


async def test_a_node_is_drained_and_somebody_always_answers(floor: Floor) -> None:
    began = time.monotonic()
    (node, *_) = [pod["spec"]["nodeName"] for pod in await floor.all("pods")]
    async with floor.customers() as sales:
        try:
            held = await floor.drain(node)
            nodes = (await floor.get("nodes"))["items"]
            left = await floor.get("deployment", "orders-api")
            assert checks.drain_faults(left, held=held, nodes=len(nodes)) == []
        finally:
            await floor.kubectl("uncordon", node)
        await floor.ready()
    await floor.judge()
    assert checks.customer_faults(sales, ["place-order"]) == []
    floor.note("drain", began, sales, **{"held by a budget": held})


async def test_an_image_that_does_not_exist_never_gets_a_customer(floor: Floor) -> None:
    began = time.monotonic()
    async with floor.customers() as sales:
        await floor.kubectl(
            "set", "image", "deployment/orders-api", "api=localhost/shopfloor/orders:does-not-exist"
        )
        await floor.kubectl(
            "set", "image", "deployment/payments-worker", "worker=localhost/shopfloor/payments:does-not-exist"
        )
        await eventually(lambda: is_stuck(floor, "orders", "api"), READY)
        await eventually(lambda: is_stuck(floor, "payments", "worker"), READY)
        for name in ("orders-api", "payments-worker"):
            await floor.kubectl("rollout", "undo", f"deployment/{name}")
        await floor.ready()
    await floor.judge()
    assert checks.customer_faults(sales) == []
    floor.note("bad image", began, sales)


async def is_stuck(floor: Floor, service: str, role: str) -> None:
    assert {"ErrImagePull", "ImagePullBackOff"} & checks.reasons(await floor.pods_of(service, role))


async def test_a_release_that_needs_more_memory_than_its_limit_never_gets_a_customer(floor: Floor) -> None:
    began = time.monotonic()
    async with floor.customers() as sales:
        limit = "--limits=memory=24Mi"
        await floor.kubectl(
            "set", "resources", "deployment/orders-api", "--containers=api", limit, "--requests=memory=16Mi"
        )
        await eventually(lambda: is_out_of_memory(floor, "orders", "api"), READY)
        await floor.kubectl("rollout", "undo", "deployment/orders-api")
        await floor.ready()
    await floor.judge()
    assert checks.customer_faults(sales) == []
    floor.note("out of memory", began, sales)


async def is_out_of_memory(floor: Floor, service: str, role: str) -> None:
    assert "OOMKilled" in checks.reasons(await floor.pods_of(service, role))


async def test_a_database_password_is_changed_in_business_without_a_restart(floor: Floor) -> None:
    began = time.monotonic()
    old = await floor.password_of("orders")
    new = f"changed{random.getrandbits(64):x}"
    before = await starts_of(floor, "orders")
    async with floor.customers() as sales:
        await change_password(floor, "orders", new)
        # An open connection would go on with the old password, and prove nothing.
        await as_superuser(
            floor, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'orders'"
        )
        await floor.ready()
    await floor.judge()
    assert await is_refused(floor.target, "orders", old)
    assert not await is_refused(floor.target, "orders", new)
    assert await starts_of(floor, "orders") == before
    floor.note("secret rotation", began, sales)


async def starts_of(floor: Floor, service: str) -> dict[str, int]:
    """Each pod of a service and how often its process was restarted."""
    pods = [pod for role in ("api", "worker") for pod in await floor.pods_of(service, role)]
    return {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods}


async def change_password(floor: Floor, role: str, password: str) -> None:
    """First the Secret, whose files the kubelet changes in the pods, then the role: open connections stay open."""
    patch = json.dumps({"stringData": {"password": password}})
    await floor.kubectl("patch", "secret", f"{role}-database", "--patch", patch)
    pods = [pod for kind in ("api", "worker") for pod in await floor.pods_of(role, kind)]
    files = {pod["metadata"]["name"]: "/run/passwords/database/password" for pod in pods}

    async def have_arrived() -> None:
        for pod, file in (files | {"postgres-0": f"/run/passwords/{role}"}).items():
            assert (await floor.kubectl("exec", pod, "--", "cat", file)).strip() == password

    await eventually(have_arrived, READY)
    await floor.kubectl("exec", "postgres-0", "--", "bash", "/docker-entrypoint-initdb.d/set-roles.sh")


async def as_superuser(floor: Floor, statement: str) -> None:
    psql = ("psql", "--host=/var/run/postgresql", "--username=postgres")
    await floor.kubectl("exec", "postgres-0", "--stdin", "--", *psql, stdin=f"{statement};")
