"""How many duplicates the services have dropped, by their own metrics."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx

from shop_lab.experiments import duplicates
from shop_stack.target import Target

Counts = list[tuple[int, float, int]]
"""(management port, start time of the process, duplicates since that start) of each process that answers."""


async def read(target: Target) -> Counts:
    """The counts now. A service that is down has none."""
    counts: Counts = []
    for url in target.management_urls.values():
        try:
            found = await duplicates.read([urlsplit(url).port or 0])
        except httpx.HTTPError:
            continue
        counts += [(port, started, count) for (port, started), count in found.items()]
    return counts


def since(before: Sequence[Sequence[float]], now: Counts) -> int:
    """The duplicates between two moments. `before` may come from JSON. A process that is new counts from its start."""
    known = {(int(port), started): int(count) for port, started, count in before}
    return duplicates.between(known, {(port, started): count for port, started, count in now})
