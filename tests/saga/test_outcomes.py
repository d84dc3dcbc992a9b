"""Every way in which an order can end, through all five services."""

from typing import Any

import httpx
import pytest

from shop_load.plans import Scenario
from shop_stack.logins import OPERATOR, Login
from testkit import eventually

ENDINGS = {
    Scenario.CONFIRMED: {("CONFIRMED", "")},
    Scenario.FLAKY: {("CONFIRMED", "")},
    Scenario.POSTED_TWICE: {("CONFIRMED", "")},
    Scenario.OUT_OF_STOCK: {("REJECTED", "out_of_stock")},
    Scenario.DECLINED: {("REJECTED", "payment_declined")},
    Scenario.CANCELLED: {("CANCELLED", "customer")},
    Scenario.TIMED_OUT: {("CANCELLED", "deadline")},
    # A race, and either side may win it; the oracle sees to it that nobody wins by half.
    Scenario.CANCELLED_AT_ONCE: {("CANCELLED", "customer"), ("CONFIRMED", "")},
}


@pytest.mark.parametrize("scenario", Scenario)
async def test_an_order_ends_as_its_customer_made_it_end(floor: Any, scenario: Scenario) -> None:
    placed = await floor.serve(floor.run(5, only=scenario))
    evidence = await floor.assert_that_the_oracle_holds()
    orders = [evidence.orders[one.order_id] for one in placed]
    assert {(order.state, order.reason) for order in orders} <= ENDINGS[scenario]


async def test_the_rebuilt_projections_are_those_that_were_there(floor: Any) -> None:
    await floor.serve(floor.run(20))
    before = (await floor.assert_that_the_oracle_holds()).reports
    analytics = floor.target.service_urls["analytics"]
    login = Login(floor.target.issuer, OPERATOR)
    async with httpx.AsyncClient(base_url=analytics, trust_env=False, auth=login) as http:
        answer = await http.post("/rebuilds")
        assert answer.status_code == 202

        async def rebuilt() -> None:
            # Reads go on meanwhile, and never see half of it.
            report = (await http.get("/reports/orders-by-state")).json()
            assert report == before["orders-by-state"], report
            state = (await http.get(answer.headers["location"])).json()["state"]
            assert state == "ACTIVE"

        await eventually(rebuilt, 30)
    after = (await floor.assert_that_the_oracle_holds()).reports
    assert after == before
