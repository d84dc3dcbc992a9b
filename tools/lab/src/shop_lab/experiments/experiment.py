"""The input of every experiment: a testbed of its own, callbacks for its progress, and the oracle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from shop_lab.testbed import Testbed
from shop_oracle.evidence import Evidence
from shop_oracle.gather import gather
from shop_oracle.report import Verdict, judge

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
