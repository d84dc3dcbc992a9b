"""Whose CPU it was, process by process.

A process's time is its own, that of its living descendants, and that of those it has already buried: PostgreSQL's
backends come and go, and what they burnt is in their postmaster's account as soon as they are gone.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

from shop_stack.parts import KAFKA, POSTGRES, PROCESSOR, SPANS, Stack
from shop_stack.ports import SERVICES
from shop_stack.process import Daemon

ORDER_COST = (*SERVICES, POSTGRES, KAFKA, SPANS)
"""What counts as an order's cost; the load generator and the sandbox processor are told apart."""
APART = (PROCESSOR,)


@dataclass(frozen=True, slots=True)
class Clock:
    """CPU seconds per part since its start, at one moment."""

    at: float
    """Seconds of the monotonic clock."""
    seconds: Mapping[str, float]

    def since(self, before: Clock) -> Spent:
        """What was spent between two moments; a part that is new counts from its start."""
        parts = {name: now - before.seconds.get(name, 0.0) for name, now in self.seconds.items()}
        return Spent(self.at - before.at, parts)


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds per part over `wall` seconds."""

    wall: float
    parts: Mapping[str, float]

    @property
    def cost(self) -> float:
        """CPU seconds of all that is an order's cost."""
        return sum(seconds for name, seconds in self.parts.items() if name not in APART)

    @property
    def apart(self) -> float:
        """CPU seconds of all that is not."""
        return sum(seconds for name, seconds in self.parts.items() if name in APART)


def read(stack: Stack, replicas: Sequence[tuple[str, Daemon]] = ()) -> Clock:
    """The clock of every part of a stack that runs now; a replica's time is its service's."""
    seconds: dict[str, float] = defaultdict(float)
    for name, daemon in [*((name, stack.daemon(name)) for name in stack.parts), *replicas]:
        if (process := daemon.process()) is not None:
            seconds[name] += family_seconds(process)
    return Clock(time.monotonic(), seconds)


def family_seconds(process: psutil.Process) -> float:
    """User and system time of a process and of all its descendants, living and dead."""
    total = 0.0
    for member in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):  # it ended just now: its parent has its time
            total += sum(member.cpu_times()[:4])
    return total
