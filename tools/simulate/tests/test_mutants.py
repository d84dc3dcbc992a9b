"""A pattern that is taken away is found: by a short schedule in each test run, by seeds in `make simulate`."""

from __future__ import annotations

import os

import pytest

from shop_simulate.choices import choices_of, text_of
from shop_simulate.run import Result, Simulation
from shop_simulate.shrink import shrink
from tools.simulate.tests import mutants

pytestmark = pytest.mark.asyncio(loop_scope="session")

SEEDS = 200
"""The most schedules in which a mutant must be found."""
SHORT = 12
"""The most choices of a schedule that was made short. It has 40 at first."""


def name_of(value: object) -> str:
    return getattr(value, "__name__", "")


@pytest.mark.parametrize("caught", mutants.CAUGHT, ids=lambda caught: caught.plant.__name__)
async def test_a_planted_mutant_fails_with_its_schedule_and_the_services_hold(
    simulation: Simulation, caught: mutants.Caught
) -> None:
    choices = choices_of(caught.schedule)
    assert (await simulation.replay(choices)).violated == frozenset()
    with pytest.MonkeyPatch.context() as patch:
        caught.plant(patch)
        assert caught.invariant in (await simulation.replay(choices)).violated


async def test_a_failing_schedule_is_made_short(simulation: Simulation) -> None:
    with pytest.MonkeyPatch.context() as patch:
        mutants.offset_before_commit(patch)
        failing = await first_failing(simulation)
        shortest = await shrink(failing, simulation.replay)
    assert len(shortest.choices) <= SHORT < len(failing.choices)


@pytest.mark.skipif("SHOP_SIMULATE_MUTANTS" not in os.environ, reason="minutes: `make simulate` does it")
@pytest.mark.parametrize("plant", [caught.plant for caught in mutants.CAUGHT], ids=name_of)
async def test_a_planted_mutant_is_found_by_a_seed(
    simulation: Simulation, plant: mutants.Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        failing = await first_failing(simulation)
        shortest = await shrink(failing, simulation.replay)
    with capsys.disabled():
        print(f"\n{plant.__name__}: {sorted(shortest.violated)} {text_of(shortest.choices)}")
    assert len(shortest.choices) <= SHORT


async def first_failing(simulation: Simulation) -> Result:
    """The first schedule that fails."""
    for seed in range(SEEDS):
        result = await simulation.by_seed(seed)
        if result.violated:
            return result
    raise AssertionError(f"none of {SEEDS} schedules fails")
