"""How many duplicates the services have dropped, by their own metrics."""

from __future__ import annotations

from collections.abc import Sequence

from shop_chaos.system import System
from shop_lab.experiments import duplicates

Counts = list[tuple[str, float, int]]
"""(place of the process, its start time, duplicates since that start) of each process that answers."""


async def read(on: System) -> Counts:
    """The counts now. A service that is down has none."""
    counts: Counts = []
    for service in on.target.service_urls:
        for place, text in (await on.parts.metrics(service)).items():
            counts.append((place, duplicates.started_in(text), duplicates.counted(text)))
    return counts


def since(before: Sequence[tuple[str, float, int]], now: Counts) -> int:
    """The duplicates between two moments. `before` may come from JSON. A process that is new counts from its start."""
    return duplicates.between(_by_process(before), _by_process(now))


def _by_process(counts: Sequence[tuple[str, float, int]]) -> dict[tuple[str, float], int]:
    return {(place, started): count for place, started, count in counts}
