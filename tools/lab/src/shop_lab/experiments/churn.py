"""Replicas that come, go and crash."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from shop_stack import embedded
from shop_stack.parts import Stack

LONGEST_STAY = 2.0
"""Seconds between a process's start and its end, and between its end and its next start, at most."""
BEFORE = 3.0
"""Seconds before a moment in which its cause is looked for."""


class Process(Protocol):
    """One process of a service."""

    @property
    def name(self) -> str:
        """What to call it."""

    async def start(self) -> None:
        """Start it and return when it has joined its group."""

    async def stop(self) -> None:
        """End it as an orderly shutdown does."""

    async def kill(self) -> None:
        """End it as `kill -9` does."""


@dataclass(frozen=True)
class First:
    """The process of a service that the stack itself runs."""

    stack: Stack
    name: str

    async def start(self) -> None:
        """Start it and return when it is ready."""
        await embedded.start(self.stack, self.name)

    async def stop(self) -> None:
        """End it as an orderly shutdown does."""
        await embedded.stop(self.stack, self.name)

    async def kill(self) -> None:
        """End it as `kill -9` does."""
        await embedded.kill(self.stack, self.name)


@dataclass
class Churn:
    """Ends processes and starts them again, some by `kill -9`. The same seed makes the same choices."""

    crash_share: float
    seed: int = 1

    def __post_init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """``joined``, ``left``, ``crashed`` → how often."""
        self.story: list[tuple[float, str]] = []
        """When, in seconds since the epoch, and what: that a process started, was ready, left or crashed."""
        self._dice = random.Random(self.seed)

    async def come_and_go(self, process: Process, goes_on: Callable[[], bool]) -> None:
        """Have a process that does not run join and leave until `goes_on` says no."""
        while goes_on():
            self.counts["joined"] += 1  # before it has: several come at a time, and their number is given
            await self._start(process)
            await self._wait()
            await self._end(process)

    async def go_and_come(self, processes: Sequence[Process], goes_on: Callable[[], bool]) -> None:
        """End one of the running processes and start it again, until `goes_on` says no; in the end all run.

        No other call may have the same list.
        """
        while goes_on():
            process = self._dice.choice(processes)
            await self._end(process)
            await self._wait()
            await self._start(process)
            self.counts["joined"] += 1
            await self._wait()

    def told(self, since: float, until: float) -> list[str]:
        """What happened between two moments, each with its seconds after the first, and just before, as causes do."""
        begin = since - BEFORE
        return [f"{at - since:+.1f} s {what}" for at, what in self.story if begin <= at <= until]

    async def _start(self, process: Process) -> None:
        self._tell(process, "started")
        await process.start()
        self._tell(process, "was ready")

    async def _end(self, process: Process) -> None:
        if self._dice.random() < self.crash_share:
            self.counts["crashed"] += 1
            self._tell(process, "crashed")
            await process.kill()
        else:
            self.counts["left"] += 1
            self._tell(process, "was asked to leave")
            await process.stop()
            self._tell(process, "had left")

    def _tell(self, process: Process, what: str) -> None:
        self.story.append((time.time(), f"{process.name} {what}"))

    async def _wait(self) -> None:
        await asyncio.sleep(self._dice.uniform(0, LONGEST_STAY))
