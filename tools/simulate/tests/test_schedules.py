"""Schedules of fixed seeds hold, the same seed makes the same schedule, and what is wrong is reported."""

from __future__ import annotations

import io
import json
from collections import Counter

import pytest
from rich.console import Console

from shop_simulate.choices import choices_of, text_of
from shop_simulate.report import as_json, print_failure
from shop_simulate.run import Result, Simulation
from tools.simulate.tests import mutants

pytestmark = pytest.mark.asyncio(loop_scope="session")

SEEDS = range(25)
SALE = "place 1 mug 1 tok_ok; wait 1; place 2 pen 3 tok_ok; place 3 pen 1 tok_declined; cancel 1"
LOST = "place 1 mug 1 tok_ok; relay orders; deliver inventory all dies-before-commit"


async def test_the_services_hold_in_schedules_of_fixed_seeds(simulation: Simulation) -> None:
    endings: Counter[str] = Counter()
    for seed in SEEDS:
        result = await simulation.by_seed(seed)
        assert result.violated == frozenset(), text_of(result.choices)
        endings.update(entry.type for entry in result.entries)
    for event in ("order-confirmed", "order-rejected", "order-cancelled"):
        assert endings[f"orders.{event}.v1"], f"no schedule has {event}"
    assert endings["payments.payment-refunded.v2"], "no schedule refunds"


async def test_the_same_seed_makes_the_same_schedule_and_the_same_events(simulation: Simulation) -> None:
    first, second = await simulation.by_seed(7), await simulation.by_seed(7)
    assert first.choices == second.choices
    assert [entry.type for entry in first.entries] == [entry.type for entry in second.entries]
    assert [entry.decided_at for entry in first.entries] == [entry.decided_at for entry in second.entries]


async def test_a_replay_of_a_schedule_as_text_has_the_same_events(simulation: Simulation) -> None:
    made = await simulation.by_seed(11)
    replayed = await simulation.replay(choices_of(text_of(made.choices)))
    assert [entry.type for entry in replayed.entries] == [entry.type for entry in made.entries]


async def test_a_choice_that_is_not_possible_is_left_out_of_a_replay(simulation: Simulation) -> None:
    result = await simulation.replay(
        choices_of("cancel 1; place 1 mug 1 tok_ok; place 1 mug 2 tok_ok; relay payments")
    )
    assert text_of(result.choices) == "place 1 mug 1 tok_ok"


async def test_each_order_ends_as_its_card_its_stock_and_its_customer_say(simulation: Simulation) -> None:
    result = await simulation.replay(choices_of(SALE))
    types = {number: types_of(result, number) for number in result.order_ids}
    assert "orders.order-cancelled.v1" in types["1"]
    assert "orders.order-confirmed.v1" in types["2"]
    assert "orders.order-rejected.v1" in types["3"]


async def test_an_order_whose_answer_was_lost_ends_as_well(simulation: Simulation) -> None:
    result = await simulation.replay(choices_of("place 1 mug 1 tok_ok dies-after-commit"))
    assert result.violated == frozenset()
    assert "orders.order-confirmed.v1" in types_of(result, "1")


async def test_an_order_that_died_before_its_commit_does_not_exist(simulation: Simulation) -> None:
    result = await simulation.replay(choices_of("place 1 mug 1 tok_ok dies-before-commit"))
    assert (result.violated, result.order_ids) == (frozenset(), {})


async def test_a_pending_order_is_cancelled_when_the_simulated_time_has_passed(
    simulation: Simulation,
) -> None:
    late = "place 1 mug 1 tok_ok; wait 61; job orders cancel-overdue-orders"
    result = await simulation.replay(choices_of(late))
    assert "orders.order-cancelled.v1" in types_of(result, "1")


async def test_a_lost_answer_of_the_processor_charges_once(simulation: Simulation) -> None:
    steps = (
        "place 1 mug 1 tok_ok; relay orders; deliver inventory all; relay inventory; deliver payments all;"
        " job payments charge-due-payments answer-lost; cancel 1; relay orders; deliver payments all"
    )
    result = await simulation.replay(choices_of(steps))
    assert result.violated == frozenset()
    assert "payments.payment-refunded.v2" in types_of(result, "1")


async def test_a_dead_letter_is_a_failure(simulation: Simulation) -> None:
    with pytest.MonkeyPatch.context() as patch:
        mutants.broken_handler(patch)
        result = await simulation.replay(choices_of("place 1 mug 1 tok_ok"))
    assert 0 in result.violated
    assert "inventory has a dead letter: handler-failed" in result.verdict.unrest


async def test_a_failure_is_told_with_its_violations_its_story_and_its_replay(simulation: Simulation) -> None:
    with pytest.MonkeyPatch.context() as patch:
        mutants.offset_before_commit(patch)
        result = await simulation.replay(choices_of(LOST))
    page = io.StringIO()
    print_failure(result, Console(file=page, width=200))
    told = page.getvalue()
    assert "It does not hold." in told
    assert "   2  relay orders" in told
    assert "order-placed  because of a request  1 x mug" in told
    assert f"shop simulate --replay '{LOST}'" in told
    failure = as_json(5, result, result)
    assert (failure["seed"], failure["shortest"]) == (5, LOST)
    assert json.loads(json.dumps(failure))["verdict"]["holds"] is False


def types_of(result: Result, number: str) -> set[str]:
    return {entry.type for entry in result.entries if entry.key == str(result.order_ids[number])}
