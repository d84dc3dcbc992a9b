"""Runs schedules: one after the other by their seeds, or one that is given."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from shop_observe.kafka_log import Entry
from shop_oracle.report import Verdict
from shop_simulate.choices import Choice
from shop_simulate.judging import Judge
from shop_simulate.rest import bring_to_rest
from shop_simulate.schedules import STEPS, next_choice
from shop_simulate.shop import Shop


@dataclass(frozen=True, slots=True)
class Result:
    """A schedule, and what came of it."""

    choices: Sequence[Choice]
    verdict: Verdict
    entries: Sequence[Entry]
    """The log at the end."""
    order_ids: Mapping[str, UUID]
    """Number of an order → its id."""

    @property
    def violated(self) -> frozenset[int]:
        """The numbers of the violated invariants. 0 stands for other faults, such as a dead letter."""
        numbers = {ruling.number for ruling in self.verdict.rulings if not ruling.holds}
        return frozenset(numbers | ({0} if self.verdict.unrest else set()))


class Simulation:
    """Runs schedules in a shop that is open."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._judge = Judge(shop.topics)

    async def by_seed(self, seed: int, steps: int = STEPS) -> Result:
        """Run the schedule of a seed."""
        await self._begin()
        by = random.Random(seed)
        choices = []
        for _ in range(steps):
            choice = next_choice(by, self._shop)
            if await self._shop.do(choice):
                choices.append(choice)
        return await self._end(choices)

    async def replay(self, choices: Sequence[Choice]) -> Result:
        """Run these choices. A choice that is not possible is left out."""
        await self._begin()
        return await self._end([choice for choice in choices if await self._shop.do(choice)])

    async def _begin(self) -> None:
        await self._shop.reset()
        random.seed(0)  # for the random part of pauses between tries

    async def _end(self, choices: Sequence[Choice]) -> Result:
        shop = self._shop
        unrest = await bring_to_rest(shop)
        faults = [fault for process in shop.processes.values() for fault in process.faults]
        verdict = await self._judge.judge(shop, [*unrest, *faults])
        return Result(choices, verdict, shop.transport.entries, dict(shop.order_ids))
