"""CPU time of a stack, process by process.

The time of a process includes its living descendants, and the ended children that it has reaped. PostgreSQL starts and
ends a backend for each connection: when a backend has ended, its time is part of the postmaster's.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

from shop_stack.ports import SERVICES
from shop_stack.process import Daemon
from shop_stack.stack import KAFKA, POSTGRES, PROCESSOR, SPANS, Stack

ORDER_COST = (*SERVICES, POSTGRES, KAFKA, SPANS)
"""The parts whose CPU time is the cost of an order. The load generator and the card processor are not among them."""
APART = (PROCESSOR,)


@dataclass(frozen=True, slots=True)
class Clock:
    """CPU seconds per part since the part's start, at one moment."""

    at: float
    """Seconds of the monotonic clock."""
    seconds: Mapping[str, float]

    def since(self, before: Clock) -> Spent:
        """The CPU time between two moments. A part that is new counts from its start."""
        parts = {name: now - before.seconds.get(name, 0.0) for name, now in self.seconds.items()}
        return Spent(self.at - before.at, parts)


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds per part over `wall` seconds."""

    wall: float
    parts: Mapping[str, float]

    @property
    def cost(self) -> float:
        """CPU seconds of all parts that belong to the cost of an order."""
        return sum(self.cost_by_part.values())

    @property
    def cost_by_part(self) -> dict[str, float]:
        """CPU seconds of each part that belongs to the cost of an order."""
        return {name: seconds for name, seconds in self.parts.items() if name not in APART}

    @property
    def apart(self) -> float:
        """CPU seconds of all other parts."""
        return sum(seconds for name, seconds in self.parts.items() if name in APART)


def read(stack: Stack, replicas: Sequence[tuple[str, Daemon]] = ()) -> Clock:
    """The CPU time of every running part of a stack. The time of a replica is added to its service."""
    seconds: dict[str, float] = defaultdict(float)
    for name, daemon in [*((name, stack.daemon(name)) for name in stack.parts), *replicas]:
        if (process := daemon.process()) is not None:
            seconds[name] += family_seconds(process)
    return Clock(time.monotonic(), seconds)


def family_seconds(process: psutil.Process) -> float:
    """User and system time of a process and all its descendants, including those that have ended."""
    total = 0.0
    for member in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):  # it has just ended: its time is part of its parent's
            total += sum(member.cpu_times()[:4])
    return total
