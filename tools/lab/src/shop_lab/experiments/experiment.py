"""What every experiment is given: a testbed of its own, callbacks for its progress, and the oracle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from shop_lab.testbed import TRACED, Testbed, fresh_testbed
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
class Experiment:
    """An experiment under way: its testbed, and two callbacks that say how far it is."""

    testbed: Testbed
    log: Callable[[str], None]
    """Called with what is being done now."""
    report_progress: Callable[[float], None]
    """Called with the share that is done, 0 to 1."""

    async def judge(self) -> Judged:
        """Wait for rest, then ask the oracle about everything that was done on its testbed."""
        evidence = await gather(self.testbed.target, REST_SECONDS, self.log)
        self.log("judging")
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
            self.report_progress(min(1.0, (time.monotonic() - began) / seconds))
            await asyncio.sleep(TICK_SECONDS)


@asynccontextmanager
async def fresh_experiment(
    log: Callable[[str], None],
    report_progress: Callable[[float], None],
    more: Mapping[str, str] | None = None,
) -> AsyncIterator[Experiment]:
    """An experiment on a fresh testbed, which is gone on leaving.

    Every order is traced; `more` are further settings of the services.
    """

    def report(part: str, what: str) -> None:
        log(f"{part}: {what}")

    environment = {**TRACED, **(more or {})}
    async with fresh_testbed(report, "prove", PORTS_ABOVE, environment) as testbed:
        yield Experiment(testbed, log, report_progress)
