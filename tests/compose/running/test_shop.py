"""The main job, in containers: orders go through, and the oracle finds nothing."""

import asyncio

import httpx

from shop_load.plans import Scenario
from shop_oracle.gather import gather
from shop_oracle.report import judge
from shop_stack import compose
from shop_stack.logins import OPERATOR, Login
from shop_stack.ports import SERVICES
from testkit import eventually

from .conftest import Containers, place, up

REST_SECONDS = 300.0


async def test_an_order_is_confirmed(containers: Containers) -> None:
    (placed,) = await place(containers, 1, Scenario.CONFIRMED)
    target = containers.target
    login = Login(target.issuer, OPERATOR)
    async with httpx.AsyncClient(base_url=target.service_urls["orders"], auth=login) as client:

        async def confirmed() -> None:
            order = (await client.get(f"/orders/{placed.order_id}")).json()
            assert order["state"] == "CONFIRMED"

        await eventually(confirmed, deadline=REST_SECONDS)


async def test_orders_of_every_outcome_satisfy_the_oracle(containers: Containers) -> None:
    await place(containers, 60, None)
    evidence = await gather(containers.target, REST_SECONDS, lambda _: None)
    assert judge(evidence).holds, judge(evidence).as_json()
    assert evidence.traces.of_order, evidence.traces.unjudged


async def test_starting_again_changes_nothing_that_runs(containers: Containers) -> None:
    before = {name: containers.container(name)["Id"] for name in (*SERVICES, "postgres", "kafka")}
    await asyncio.to_thread(up)
    assert {name: containers.container(name)["Id"] for name in before} == before


async def test_a_service_that_ends_is_started_again(containers: Containers) -> None:
    compose.docker("compose", "exec", "payments", "python", "-c", "import os; os.kill(1, 15)")

    async def restarted() -> None:
        found = containers.container("payments")
        assert found["RestartCount"] > 0
        assert found["State"]["Health"]["Status"] == "healthy"

    await eventually(restarted, deadline=REST_SECONDS)
