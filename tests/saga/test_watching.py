"""`shop watch` on a whole shop: it ends well when the last step has happened, however the order ended."""

from __future__ import annotations

import asyncio
from typing import Any

from shop.story import Outcome, Story
from shop_load.plans import Scenario
from shop_observe.missing_steps import OrderStep
from shop_observe.timeline import Step
from shop_stack import embedded


class Silent:
    """A Teller that prints nothing."""

    def step(self, step: Step) -> None:
        """Not printed."""

    def letter(self, letter: Any) -> None:
        """Not printed."""

    def end(self, outcome: Outcome) -> None:
        """Not printed."""


async def test_every_way_in_which_an_order_ends_is_watched_to_its_last_step(floor: Any) -> None:
    placed = await floor.serve(floor.run(len(Scenario)))
    watched = [Story(floor.target, one.order_id, Silent(), limit=60.0).follow() for one in placed]
    outcomes = await asyncio.gather(*watched)
    assert {outcome.ending for outcome in outcomes} == {"CONFIRMED", "REJECTED", "CANCELLED"}
    assert [outcome.sentence for outcome in outcomes if not outcome.complete] == []


async def test_a_customer_who_is_not_told_is_missed_until_notifications_is_back(floor: Any) -> None:
    await embedded.stop(floor.stack, "notifications")
    try:
        (placed,) = await floor.serve(floor.run(1, only=Scenario.CONFIRMED))
        outcome = await Story(floor.target, placed.order_id, Silent(), limit=5.0).follow()
    finally:
        await embedded.start(floor.stack, "notifications")
    assert outcome.ending == "CONFIRMED"
    assert outcome.missing == [OrderStep("notifications", "notification-sent (confirmed)")]
    assert (await Story(floor.target, placed.order_id, Silent(), limit=60.0).follow()).complete
