"""Each shape does what five services do: every ending, crashes, duplicates, a second process, the oracle."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import pytest

from shop.story import Story
from shop_load.closed_loop import Placed
from shop_load.plans import Scenario
from shop_oracle.evidence import DeadLetter, Evidence
from shop_stack import embedded
from shop_stack.ports import SERVICES
from tests.saga.test_outcomes import ENDINGS
from tests.saga.test_watching import Silent
from tests.shapes.second_process import second_process

ORDERS = 60
CONFIRMED = {("CONFIRMED", "")}
NEVER_PENDING = dict.fromkeys((Scenario.CANCELLED, Scenario.CANCELLED_AT_ONCE, Scenario.TIMED_OUT), CONFIRMED)
"""In one transaction an order has ended when its customer can cancel it, and before a deadline can."""


def endings_of(floor: Any) -> Mapping[Scenario, set[tuple[str, str]]]:
    """How the orders of each scenario may end in this shape."""
    return {**ENDINGS, **NEVER_PENDING} if floor.stack.shape.is_single else ENDINGS


def letters_of(placed: Sequence[Placed], evidence: Evidence) -> list[DeadLetter]:
    """The dead letters of these orders. A fault of another test may have left some of others."""
    ids = {one.order_id for one in placed}
    events = {row.event_id for row in evidence.outbox if row.key in ids}
    return [letter for letter in evidence.dead_letters if letter.event_id in events]


async def test_orders_of_all_kinds_end_and_the_oracle_holds(floor: Any) -> None:
    placed = await floor.serve(floor.run(ORDERS))
    evidence = await floor.assert_that_the_oracle_holds()
    assert {one.order_id for one in placed} <= evidence.orders.keys()
    orders = [evidence.orders[one.order_id] for one in placed]
    endings = {(order.state, order.reason) for order in orders}
    assert endings == set().union(*endings_of(floor).values())
    assert letters_of(placed, evidence) == []


@pytest.mark.usefixtures("whole_run")
async def test_each_order_ends_as_its_customer_made_it_end(floor: Any) -> None:
    placed = {scenario: await floor.serve(floor.run(5, only=scenario)) for scenario in Scenario}
    evidence = await floor.assert_that_the_oracle_holds()
    for scenario, orders in placed.items():
        found = [evidence.orders[one.order_id] for one in orders]
        assert {(order.state, order.reason) for order in found} <= endings_of(floor)[scenario], scenario


async def test_every_order_is_watched_to_its_last_step(floor: Any) -> None:
    placed = await floor.serve(floor.run(len(Scenario)))
    watched = [Story(floor.target, one.order_id, Silent(), limit=60.0).follow() for one in placed]
    outcomes = await asyncio.gather(*watched)
    assert {outcome.ending for outcome in outcomes} == {
        state for endings in endings_of(floor).values() for state, _ in endings
    }
    assert [outcome.sentence for outcome in outcomes if not outcome.complete] == []


async def test_the_rebuilt_projections_are_those_that_were_there(floor: Any) -> None:
    await floor.serve(floor.run(20))
    await floor.rebuild_reports()


async def test_a_process_that_is_killed_and_started_again_costs_no_order(floor: Any) -> None:
    unit = floor.unit_of("payments")
    placed = await floor.crash_while_serving([unit], ORDERS)
    evidence = await floor.assert_that_the_oracle_holds()
    assert len({one.order_id for one in placed} & evidence.orders.keys()) == ORDERS


@pytest.mark.usefixtures("whole_run")
async def test_each_process_may_be_killed(floor: Any) -> None:
    placed = [one for unit in floor.stack.units for one in await floor.crash_while_serving([unit], ORDERS)]
    evidence = await floor.assert_that_the_oracle_holds()
    assert len({one.order_id for one in placed} & evidence.orders.keys()) == ORDERS * len(floor.stack.units)


@pytest.mark.usefixtures("whole_run")
async def test_the_servers_may_be_killed_as_well(floor: Any) -> None:
    servers = [name for name in ("kafka", "postgres") if name in floor.stack.parts]
    placed = await floor.crash_while_serving(servers, ORDERS)
    evidence = await floor.assert_that_the_oracle_holds()
    assert len({one.order_id for one in placed} & evidence.orders.keys()) == ORDERS
    assert letters_of(placed, evidence) == []


@pytest.mark.usefixtures("whole_run", "grouped")
async def test_events_that_are_all_read_again_have_their_effects_once(floor: Any) -> None:
    await floor.serve(floor.run(20))
    before = await floor.assert_that_the_oracle_holds()
    unit = floor.unit_of("inventory")
    await embedded.stop(floor.stack, unit)
    for service in floor.stack.members(unit):
        owner = await asyncpg.connect(floor.target.database_urls[service])
        await owner.execute("DELETE FROM reader_position")
        await owner.close()
    await embedded.start(floor.stack, unit)
    after = await floor.assert_that_the_oracle_holds()
    assert len(after.outbox) == len(before.outbox)
    assert after.reports == before.reports


@pytest.mark.usefixtures("whole_run", "grouped")
async def test_a_second_process_of_a_group_takes_over_when_the_first_one_is_killed(floor: Any) -> None:
    unit = floor.unit_of("orders")
    async with second_process(floor.stack, unit):
        placed = [*await floor.serve(floor.run(20))]
        await embedded.kill(floor.stack, unit)
        await embedded.start(floor.stack, unit)
        placed += await floor.serve(floor.run(20))
    placed += await floor.serve(floor.run(20))
    evidence = await floor.assert_that_the_oracle_holds()
    assert letters_of(placed, evidence) == []


@pytest.mark.usefixtures("grouped")
def test_a_group_has_one_process(floor: Any) -> None:
    running = [unit for unit in floor.stack.units if floor.stack.daemon(unit).process() is not None]
    assert running == list(floor.stack.units)
    assert len(running) < len(SERVICES)
    assert ("kafka" in floor.stack.parts) is (len(running) > 1)
