"""What an experiment has in hand: a stack of its own, somebody to tell how far it is, and the oracle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from shop_lab import stage
from shop_lab.stage import Stage
from shop_oracle.evidence import Evidence
from shop_oracle.gather import gather
from shop_oracle.report import Verdict, judge

PORTS_ABOVE = 400
"""The proofs' ports lie this far above the shop's own: beside a shop and a benchmark that run."""
TICK_SECONDS = 0.5
REST_SECONDS = 300.0
"""How long the orders may take to come to rest after an experiment."""


class Judged(NamedTuple):
    """What the oracle saw, and what it says to that."""

    evidence: Evidence
    verdict: Verdict


@dataclass(frozen=True)
class Ground:
    """Where an experiment takes place."""

    stage: Stage
    say: Callable[[str], None]
    """Told what is being done."""
    went: Callable[[float], None]
    """Told which share of the experiment is done, 0 to 1."""

    async def judged(self) -> Judged:
        """Wait for rest, then ask the oracle about everything that was done on this ground."""
        evidence = await gather(self.stage.target, REST_SECONDS, self.say)
        self.say("judging")
        return Judged(evidence, judge(evidence))

    @asynccontextmanager
    async def clock(self, seconds: float) -> AsyncIterator[None]:
        """Tell by the clock how far it is, for what says nothing itself and takes about so long."""
        ticking = asyncio.create_task(self._tick(seconds))
        try:
            yield
        finally:
            ticking.cancel()

    async def _tick(self, seconds: float) -> None:
        began = time.monotonic()
        while True:
            self.went(min(1.0, (time.monotonic() - began) / seconds))
            await asyncio.sleep(TICK_SECONDS)


@asynccontextmanager
async def opened(
    say: Callable[[str], None], went: Callable[[float], None], more: Mapping[str, str] | None = None
) -> AsyncIterator[Ground]:
    """A ground on a fresh stack, every order traced; `more` is told to its services. Gone on leaving."""

    def report(part: str, what: str) -> None:
        say(f"{part}: {what}")

    environment = {**stage.TRACED, **(more or {})}
    async with stage.opened(report, "prove", PORTS_ABOVE, environment) as opened:
        yield Ground(opened, say, went)
