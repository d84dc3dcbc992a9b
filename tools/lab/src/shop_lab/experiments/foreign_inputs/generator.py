"""Gives each input at a fixed interval until the time is over, and then ends by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from shop_lab.experiments.foreign_inputs.input import Input, Tally, World

LONGEST = 60.0
"""Seconds after which an input is cancelled. The slowest input takes 20."""


async def generate(
    inputs: Sequence[Input], world: World, seconds: float, report: Callable[[int], None]
) -> dict[str, Tally]:
    """Give the inputs for `seconds` seconds. Returns name → tally. `report` is called with the number of inputs given.

    An input is skipped while it is still being given. At the end, running inputs are awaited, because they must undo
    their faults.
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
    """Give an input once. Its errors are counted and do not end the generator."""
    tally.given += 1
    try:
        async with asyncio.timeout(LONGEST):
            await one.give(world, tally)
    except Exception as error:
        tally.trouble[f"{type(error).__name__}: {error}"[:200]] += 1
