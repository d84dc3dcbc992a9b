"""Finds the points that a service reaches under the load of a run, and when: at its start, under load, at its stop."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.crash_points.subject import Subject, Trial

LIVES = 2
"""How often the service is started. At the second start messages and rows wait for it."""
LIFE_SECONDS = 8.0
LATEST_OCCURRENCE = 12
"""A point that is reached often is struck at one of its first occurrences: later ones take longer, and are the same."""


@dataclass(slots=True)
class Reached:
    """The points that a service has reached in some lives, each with the smallest number of all lives that had it."""

    service: str
    under_load: dict[str, int] = field(default_factory=dict)
    """Point → how often it was reached from the start of the process to the end of the load."""
    only_at_stop: dict[str, int] = field(default_factory=dict)
    """Point → the same from the start to the end of the process, if it was reached at the stop alone."""

    @property
    def points(self) -> set[str]:
        return self.under_load.keys() | self.only_at_stop.keys()

    def add_life(self, before_stop: Mapping[str, int], whole: Mapping[str, int]) -> None:
        """Add what a process has reached."""
        for point, count in before_stop.items():
            self.under_load[point] = min(count, self.under_load.get(point, count))
            self.only_at_stop.pop(point, None)
        for point, count in whole.items():
            if point not in self.under_load:
                self.only_at_stop[point] = min(count, self.only_at_stop.get(point, count))

    def trials(self, kinds: Sequence[str], seed: int) -> list[Trial]:
        """A trial of each point and kind. The seed chooses the occurrence of the point. Sorted by kind."""
        found = []
        for kind in kinds:
            for point in sorted(self.points):
                counted = self.under_load.get(point, 1)
                dice = random.Random(f"{seed} {self.service} {kind} {point}")
                occurrence = dice.randint(1, max(1, min(counted, LATEST_OCCURRENCE)))
                found.append(Trial(self.service, kind, point, occurrence, point in self.only_at_stop))
        return found


async def discover(subject: Subject, lives: int = LIVES, seconds: float = LIFE_SECONDS) -> Reached:
    """Start and stop the service with its points, while orders arrive. Afterwards it does not run."""
    reached = Reached(subject.service)
    for _ in range(lives):
        await subject.start()
        await asyncio.sleep(seconds)
        before_stop = Counter(subject.reached())
        await subject.end()
        reached.add_life(before_stop, subject.reached())
    return reached
