"""The tables do what `domain.join` says, in any order of arrival."""

import asyncio
import json
import random
from functools import reduce
from typing import Any

import pytest

from analytics import handlers
from analytics.domain import join
from chassis.events import new_id
from testkit import statements

from .conftest import model_of

ENDINGS = ["confirmed", "rejected", "declined", "cancelled", "pending"]


@pytest.mark.parametrize("ending", ENDINGS)
async def test_shuffled_and_repeated_events_give_the_facts_of_the_saga(
    ledger: Any, story: Any, ending: str
) -> None:
    """Twenty orders with the same story, each told in another order and with other repetitions."""
    chance = random.Random(ending)
    ids = [new_id() for _ in range(20)]
    for order_id in ids:
        saga = story.order(ending, id=order_id)
        arriving = saga + chance.choices(saga, k=4)
        chance.shuffle(arriving)
        await ledger.project_each(arriving)
    rows = await ledger.orders(1)
    told = [model_of(event) for event in story.order(ending, id=ids[0])]
    expected = reduce(join, [event.fact() for event in told])  # type: ignore[attr-defined]
    expected["lines"] = json.loads(expected["lines"])
    for order_id in ids:
        row = {column: value for column, value in rows[order_id].items() if value is not None}
        assert row == expected | {"order_id": order_id}


async def test_a_late_older_event_fills_in_and_takes_nothing_back(ledger: Any, story: Any) -> None:
    placed, *_, confirmed, _, _ = story.order("confirmed")
    await ledger.project(confirmed)
    await ledger.project(placed)
    (row,) = (await ledger.orders(1)).values()
    assert (row["order_state"], row["order_version"], row["total_minor"]) == ("CONFIRMED", 2, 2598)


async def test_the_newest_name_of_a_product_stays(ledger: Any, story: Any) -> None:
    listed, renamed = story.product("mug", "Mug", "Blue mug")
    for told in (renamed, listed, renamed):
        await ledger.project(told)
    assert await ledger.products(1) == {"mug": (2, "Blue mug")}


async def test_a_batch_is_one_statement_however_long_it_is(ledger: Any, story: Any) -> None:
    counts = []
    for size in (1, 200):
        batch = [story.order("pending")[0] for _ in range(size)]
        with statements() as sent:
            await ledger.project(*batch)
        counts.append(len(sent))
    assert counts == [1, 1]


async def test_two_replicas_that_project_the_same_orders_at_once_agree(ledger: Any, story: Any) -> None:
    placed = [story.order("pending")[0] for _ in range(100)]
    await asyncio.gather(ledger.project(*placed), ledger.project(*reversed(placed)))
    assert len(await ledger.orders(1)) == 100


async def test_while_a_generation_is_built_live_events_go_into_both(ledger: Any, story: Any) -> None:
    async with ledger.database.transaction() as tx:
        assert await handlers.open_rebuild(tx) == 2
    await ledger.project_each(story.order("confirmed"))
    await ledger.project_each(story.product("mug", "Mug"))
    assert await ledger.orders(1) == await ledger.orders(2) != {}
    assert await ledger.products(1) == await ledger.products(2) == {"mug": (1, "Mug")}
