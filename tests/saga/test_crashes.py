"""Whatever is killed in the middle of business: no order is lost, no effect is doubled."""

from typing import Any

import httpx
import pytest

from shop_stack import embedded, parts
from shop_stack.logins import Login
from shop_stack.ports import SERVICES
from testkit import eventually

ORDERS = 60


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_that_is_killed_and_started_again_costs_no_order(floor: Any, service: str) -> None:
    placed = await floor.crash_while_serving([service], ORDERS)
    evidence = await floor.assert_that_the_oracle_holds()
    assert len({one.order_id for one in placed} & evidence.orders.keys()) == ORDERS


async def test_kafka_and_postgresql_may_be_killed_as_well(floor: Any) -> None:
    placed = await floor.crash_while_serving(["kafka", "postgres"], ORDERS)
    evidence = await floor.assert_that_the_oracle_holds()
    assert len({one.order_id for one in placed} & evidence.orders.keys()) == ORDERS
    assert evidence.dead_letters == []


async def test_a_card_processor_that_is_away_is_no_poison(floor: Any) -> None:
    placed = await floor.crash_while_serving(["processor"], ORDERS)
    evidence = await floor.assert_that_the_oracle_holds()
    assert len({one.order_id for one in placed} & evidence.orders.keys()) == ORDERS
    assert evidence.dead_letters == []


async def test_without_kafka_orders_are_taken_and_wait_in_the_outbox(floor: Any) -> None:
    run = floor.run(5)
    await floor.serve(floor.run(5))  # the products are known
    await embedded.kill(floor.stack, "kafka")
    url = floor.target.service_urls["orders"]
    login = Login(floor.target.issuer, run.plans[0].customer)
    async with httpx.AsyncClient(base_url=url, trust_env=False, auth=login) as http:
        body = {**run.plans[0].body, "lines": [{"sku": "MUG", "quantity": 1}], "payment_token": "tok_ok"}
        answer = await http.post("/orders", json=body, headers={"Idempotency-Key": run.name})
        assert answer.status_code == 202
        order_id = answer.json()["order_id"]
        assert (await http.get(f"/orders/{order_id}")).json()["state"] == "PENDING"
        await embedded.start(floor.stack, "kafka")

        async def confirmed() -> None:
            assert (await http.get(f"/orders/{order_id}")).json()["state"] == "CONFIRMED"

        await eventually(confirmed, 60)
    await floor.assert_that_the_oracle_holds()


async def test_without_its_database_orders_says_when_to_come_back(floor: Any) -> None:
    await floor.serve(floor.run(5))
    await embedded.stop(floor.stack, "postgres")
    url = floor.target.service_urls["orders"]
    login = Login(floor.target.issuer, "c-1")
    async with httpx.AsyncClient(base_url=url, trust_env=False, auth=login) as http:
        body = {
            "lines": [{"sku": "MUG", "quantity": 1}],
            "currency": "EUR",
            "payment_token": "tok_ok",
        }
        answer = await http.post("/orders", json=body)
        assert (answer.status_code, answer.json()["type"]) == (
            503,
            "urn:shopfloor:problem:database-unavailable",
        )
        assert int(answer.headers["retry-after"]) >= 1
        livez = f"{floor.target.management_urls['orders']}/livez"
        assert (await http.get(livez)).status_code == 200
        await embedded.start(floor.stack, "postgres")
        for service in SERVICES:
            await parts.ready(floor.stack, service)

        async def taken() -> None:
            assert (await http.post("/orders", json=body)).status_code == 202

        await eventually(taken, 30)
    await floor.assert_that_the_oracle_holds()
