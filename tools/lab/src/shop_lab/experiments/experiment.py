"""The input of every experiment: a testbed of its own, callbacks for its progress, and the oracle."""

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
"""The distance between the experiments' ports and the shop's, so that a running shop or benchmark is not disturbed."""
TICK_SECONDS = 0.5
REST_SECONDS = 300.0
"""The longest time, in seconds, until the shop is at rest after an experiment."""


class Judged(NamedTuple):
    """The evidence of the oracle, and its verdict."""

    evidence: Evidence
    verdict: Verdict


@dataclass(frozen=True)
class Experiment:
    """A running experiment: its testbed, and two callbacks for its progress."""

    testbed: Testbed
    log: Callable[[str], None]
    """Called with the name of each step."""
    report_progress: Callable[[float], None]
    """Called with the share of the work that is done, 0 to 1."""

    async def judge(self) -> Judged:
        """Wait until the shop is at rest, then judge everything that was done on the testbed."""
        evidence = await gather(self.testbed.target, REST_SECONDS, self.log)
        self.log("judging")
        return Judged(evidence, judge(evidence))

    @asynccontextmanager
    async def clock(self, seconds: float) -> AsyncIterator[None]:
        """Report the progress by elapsed time, for work that takes about `seconds` and reports none itself."""
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
    """An experiment on a fresh testbed, which is removed at the end of the context.

    Every order is traced. `more` are additional settings of the services.
    """

    def report(part: str, what: str) -> None:
        log(f"{part}: {what}")

    environment = {**TRACED, **(more or {})}
    async with fresh_testbed(report, "prove", PORTS_ABOVE, environment) as testbed:
        yield Experiment(testbed, log, report_progress)
