"""Samples the memory of each part under load, to see whether it stays bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from shop_lab.testbed import Testbed

SAMPLES = 36
"""More samples would use much CPU time: the kernel counts the pages that PostgreSQL's processes share one by one."""
MEGABYTE = 2**20

Sample = Mapping[str, float]
"""Part → megabytes; a shared page is divided among its processes (PSS)."""


@dataclass
class Memory:
    """Samples in the order of time."""

    samples: list[Sample] = field(default_factory=list)

    def peak(self) -> Sample:
        """Part → its largest sample, in megabytes."""
        parts = {part for sample in self.samples for part in sample}
        return {part: max(sample.get(part, 0.0) for sample in self.samples) for part in sorted(parts)}

    def growth(self, parts: Sequence[str]) -> float:
        """By how many percent the largest sum of these parts grew from the middle third of the time to the last third.

        Queues, caches and pools may fill during the first third. If they are bounded, they are full after it.
        """
        sums = [sum(sample.get(part, 0.0) for part in parts) for sample in self.samples]
        third = len(sums) // 3
        middle, last = sums[third : 2 * third], sums[2 * third :]
        return 100 * (max(last) / max(middle) - 1)


@asynccontextmanager
async def watched(testbed: Testbed, seconds: float) -> AsyncIterator[Memory]:
    """Sample a stack's memory while the context lasts, about SAMPLES times in `seconds` seconds."""
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
