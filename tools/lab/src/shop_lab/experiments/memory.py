"""Whether memory stays bounded: what each part holds, sampled while it is under pressure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from shop_lab.testbed import Testbed

SAMPLES = 36
"""So many are enough, and one is dear: the pages that PostgreSQL's processes share are counted page by page."""
MEGABYTE = 2**20

Sample = Mapping[str, float]
"""Part → megabytes, pages that processes share divided among them."""


@dataclass
class Memory:
    """Samples in the order of time."""

    samples: list[Sample] = field(default_factory=list)

    def peak(self) -> Sample:
        """Part → the most that it ever held."""
        parts = {part for sample in self.samples for part in sample}
        return {part: max(sample.get(part, 0.0) for sample in self.samples) for part in sorted(parts)}

    def growth(self, parts: Sequence[str]) -> float:
        """By which percentage these parts' sum grew from the middle third of the time to the last.

        The first third is the time to fill: queues, caches, pools. What is bounded is full after it.
        """
        sums = [sum(sample.get(part, 0.0) for part in parts) for sample in self.samples]
        third = len(sums) // 3
        middle, last = sums[third : 2 * third], sums[2 * third :]
        return 100 * (max(last) / max(middle) - 1)


@asynccontextmanager
async def watched(testbed: Testbed, seconds: float) -> AsyncIterator[Memory]:
    """Sample a stack's memory for as long as the context lasts, about SAMPLES times in so many seconds."""
    memory = Memory()

    async def sample() -> None:
        while True:
            found = {name: testbed.stack.daemon(name).resources() for name in testbed.stack.parts}
            memory.samples.append(
                {name: used.proportional / MEGABYTE for name, used in found.items() if used is not None}
            )
            await asyncio.sleep(seconds / SAMPLES)

    sampling = asyncio.create_task(sample())
    try:
        yield memory
    finally:
        sampling.cancel()
