"""Every way in which an order can end, through all five services."""

from typing import Any

import pytest

from shop_load.plans import Scenario

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
    await floor.rebuild_reports()
