"""The experiment of docs/how-to/write-an-experiment.md."""

from typing import Any

import pytest

from shop_load.plans import Scenario
from shop_stack import hands

pytestmark = pytest.mark.long


async def test_frozen_notifications_costs_no_order_and_no_cent(floor: Any) -> None:
    hands.freeze(floor.stack, "notifications")  # the fault
    try:
        placed = await floor.serve(floor.run(20, only=Scenario.CONFIRMED))
    finally:
        await hands.resume(floor.stack, "notifications")  # the cure, also if the test fails
    evidence = await floor.assert_that_the_oracle_holds()
    assert len({one.order_id for one in placed} & evidence.orders.keys()) == 20
