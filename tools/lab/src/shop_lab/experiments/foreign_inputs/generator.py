"""Gives each input by the clock until the time is over, and then ends by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from shop_lab.experiments.foreign_inputs.input import Input, Tally, World

LONGEST = 60.0
"""Seconds after which an input that hangs is given up. The longest one takes 20."""


async def generate(
    inputs: Sequence[Input], world: World, seconds: float, report: Callable[[int], None]
) -> dict[str, Tally]:
    """Give the inputs for so many seconds; returns name → what came of it. `report` hears how many were given.

    An input whose turn comes while it is still being given is left out. What runs at the end is waited for, as the
    faults must be undone.
    """
    tallies = {one.name: Tally() for one in inputs}

    def given() -> None:
        report(sum(tally.given for tally in tallies.values()))

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for one in inputs:
            group.create_task(_give_regularly(one, world, tallies[one.name], began, seconds, given))
    return tallies


async def _give_regularly(
    one: Input, world: World, tally: Tally, began: float, seconds: float, given: Callable[[], None]
) -> None:
    due = began + one.first
    while due < began + seconds:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await _give_once(one, world, tally)
        given()
        due += one.every
        if (late := time.monotonic() - due) > 0:
            due += one.every * (late // one.every)


async def _give_once(one: Input, world: World, tally: Tally) -> None:
    """Give an input. What the generator runs into is noted, and never ends it."""
    tally.given += 1
    try:
        async with asyncio.timeout(LONGEST):
            await one.give(world, tally)
    except Exception as error:
        tally.trouble[f"{type(error).__name__}: {error}"[:200]] += 1
