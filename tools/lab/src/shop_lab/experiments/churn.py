"""Starts, stops and crashes replicas."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from shop_stack import embedded
from shop_stack.stack import Stack

LONGEST_STAY = 2.0
"""The most seconds from a process's start to its end, and from its end to its next start."""
BEFORE = 3.0
"""Changes of processes so many seconds before a stall are reported as well."""


class Process(Protocol):
    """One process of a service."""

    @property
    def name(self) -> str:
        """Its name in the report."""

    async def start(self) -> None:
        """Start it and return when it has joined its group."""

    async def stop(self) -> None:
        """Stop it by an orderly shutdown."""

    async def kill(self) -> None:
        """Kill it, as `kill -9` does."""


@dataclass(frozen=True)
class First:
    """The process of a service that the stack itself started."""

    stack: Stack
    name: str

    async def start(self) -> None:
        """Start it and return when it is ready."""
        await embedded.start(self.stack, self.name)

    async def stop(self) -> None:
        """Stop it by an orderly shutdown."""
        await embedded.stop(self.stack, self.name)

    async def kill(self) -> None:
        """Kill it, as `kill -9` does."""
        await embedded.kill(self.stack, self.name)


@dataclass
class Churn:
    """Ends processes and starts them again. `crash_share` (0 to 1) of the ends are `kill -9`.

    The same seed makes the same choices.
    """

    crash_share: float
    seed: int = 1

    def __post_init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """``joined``, ``left``, ``crashed`` → how often."""
        self.story: list[tuple[float, str]] = []
        """(seconds since the epoch, what happened): a process was started, was ready, left or crashed."""
        self._dice = random.Random(self.seed)

    async def come_and_go(self, process: Process, goes_on: Callable[[], bool]) -> None:
        """Start and end a process that does not run, repeatedly until `goes_on` returns False."""
        while goes_on():
            self.counts["joined"] += 1  # counted before it joins, so that several processes respect the total
            await self._start(process)
            await self._wait()
            await self._end(process)

    async def go_and_come(self, processes: Sequence[Process], goes_on: Callable[[], bool]) -> None:
        """End one of the running processes and start it again, repeatedly until `goes_on` returns False.

        All processes run at the end. Two calls must not share a process.
        """
        while goes_on():
            process = self._dice.choice(processes)
            await self._end(process)
            await self._wait()
            await self._start(process)
            self.counts["joined"] += 1
            await self._wait()

    def told(self, since: float, until: float) -> list[str]:
        """The changes of processes between two moments and shortly before, each with its seconds after `since`."""
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
