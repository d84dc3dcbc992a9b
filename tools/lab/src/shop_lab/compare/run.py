"""Carries a comparison out: one shape runs at a time, in turn, and the oracle judges each run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shop_lab.benchmarks.benchmark import there_and_back
from shop_lab.benchmarks.plan import machine
from shop_lab.compare import blast, partition
from shop_lab.compare.measuring import Measured, measure
from shop_lab.compare.named_change import named_change
from shop_lab.compare.plan import SHAPES, Plan
from shop_lab.compare.report import Report, Run
from shop_lab.compare.window import shares
from shop_lab.testbed import Testbed, fresh, stack_beside
from shop_oracle.gather import gather
from shop_oracle.report import Verdict, judge
from shop_stack import embedded
from shop_stack.errors import UserError
from shop_stack.stack import Stack

PORTS_ABOVE = 800
"""The distance between the ports of these stacks and the shop's, so that a running shop is not disturbed."""
REST_SECONDS = 120.0
"""The longest time, in seconds, until the shop is at rest after a run."""


@dataclass
class Comparison:
    """A running comparison: a stack for each shape, of which one runs at a time."""

    plan: Plan
    log: Callable[[str], None]
    """Called with the name of each step."""
    done: Callable[[], None]
    """Called `plan.steps` times."""
    testbeds: dict[str, Testbed] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)

    async def carry_out(self) -> Report:
        """Measure all figures of all shapes. A run that fails, or that the oracle refuses, does not count."""
        began, since, before = datetime.now(UTC), time.monotonic(), machine()
        async with AsyncExitStack() as opened:
            for shape in self.plan.shapes:
                await self._prepare(shape, opened)
            if self.plan.has_rounds:
                for number, shape in there_and_back(self.plan.shapes, self.plan.effort.rounds):
                    await self._run(shape, f"round {number}")
            for figure in self.plan.once:
                for shape in self.plan.shapes:
                    await self._run(shape, figure)
        return Report(began, time.monotonic() - since, before, self.plan, self.runs)

    async def _prepare(self, shape: str, opened: AsyncExitStack) -> None:
        """Make a stack with data, and stop it."""
        self.log(f"{shape}: preparing")
        testbed = await opened.enter_async_context(fresh(stack_of(shape), embedded.silent))
        await embedded.down(testbed.stack)
        self.testbeds[shape] = testbed
        self.done()

    async def _run(self, shape: str, part: str) -> None:
        load, found, complaint = os.getloadavg()[0], Measured(), ""
        testbed, say = self.testbeds[shape], self._saying(f"{shape}, {part}")
        try:
            found, verdict = await self._judged(testbed, part, say)
            complaint = first_complaint(verdict)
        except UserError as error:
            complaint = str(error)
        finally:
            say("stopping")
            await embedded.down(testbed.stack)
        self.runs.append(Run(shape, part, load, found.values, found.pieces, complaint))
        self.done()

    async def _judged(
        self, testbed: Testbed, part: str, say: Callable[[str], None]
    ) -> tuple[Measured, Verdict]:
        """One run, and the verdict of the oracle on everything that was ever done on its stack."""
        if part not in self.plan.once:
            found = await measure(testbed, self.plan.figures, self.plan.effort, say)
            return found, judge(await gather(testbed.target, REST_SECONDS, say))
        say("starting")
        await embedded.up(testbed.stack)
        if part == "field":
            say("a new field of an event")
            return Measured(await named_change(testbed)), judge(
                await gather(testbed.target, REST_SECONDS, say)
            )
        break_all = blast.strike_all if part == "blast" else partition.cut_all
        windows = await break_all(testbed, self.plan.effort.fault_seconds, say)
        evidence = await gather(testbed.target, REST_SECONDS, say)
        found = Measured()
        for window in windows:
            found.values |= shares(window, evidence.orders.values())
        return found, judge(evidence)

    def _saying(self, prefix: str) -> Callable[[str], None]:
        return lambda step: self.log(f"{prefix}: {step}")


def stack_of(shape: str) -> Stack:
    """The stack of a shape. Its services record a trace of each order, as in `shop bench`."""
    return stack_beside(f"compare-{shape}", PORTS_ABOVE, shape=SHAPES[shape])


def first_complaint(verdict: Verdict) -> str:
    """The first line of what the oracle complains about; empty if everything holds."""
    lines = verdict.complaint.splitlines()
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    return f"the oracle: {lines[0]}{more}" if lines else ""
