"""Starts a canary, watches it for a while, and promotes or withdraws it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shop_lab.canary.judgement import Decision, Judgement, Seen, decide, fault
from shop_lab.canary.observing import Watch
from shop_lab.canary.process import Canary
from shop_lab.experiments import background_orders
from shop_stack import deployments
from shop_stack.deployments import Deployed
from shop_stack.errors import UserError, first_of
from shop_stack.stack import Stack
from shop_stack.target import Target

LOOK_SECONDS = 5.0
SPANS_ARRIVE_WITHIN = 6.0
"""Seconds. Services send their spans in batches, by default every 5 s."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a canary."""

    release: Deployed
    before: Deployed
    """The release that ran, and still runs if the canary was withdrawn."""
    judgement: Judgement
    canary: Seen
    others: Seen
    seconds: float

    @property
    def is_promoted(self) -> bool:
        return self.judgement.decision is Decision.PROMOTE

    def as_json(self) -> dict[str, Any]:
        """The outcome as JSON."""
        return {
            "service": self.release.service,
            "version": self.release.version,
            "before": self.before.version,
            "decision": self.judgement.decision.value,
            "reason": self.judgement.reason,
            "seconds": round(self.seconds, 1),
            "canary": self.canary.as_json(),
            "others": self.others.as_json(),
        }


@dataclass(frozen=True)
class Trial:
    """A release on trial, on a running shop."""

    stack: Stack
    target: Target
    release: Deployed
    log: Callable[[str], None]
    seconds: float = 60.0
    """The time for which it is watched, after it has got its partitions."""
    rate: float = 0.0
    """Orders per second that are placed meanwhile, in addition to those of others."""

    async def carry_out(self) -> Outcome:
        """Start the canary, watch it, end it, and deploy the release if it is promoted.

        Raises UserError if the service does not run, if it runs this release or a canary already, or if the promoted
        release cannot be deployed. A canary that does not start is withdrawn.
        """
        before = self._require_running()
        began = time.monotonic()
        canary = Canary(self.stack, self.release)
        _require_none(canary)
        judgement, mine, theirs = await self._tried(canary)
        if judgement.decision is Decision.PROMOTE:
            self.log(f"deploying {self.release.name}")
            await deployments.deploy(self.stack, self.release)
        return Outcome(self.release, before, judgement, mine, theirs, time.monotonic() - began)

    def _require_running(self) -> Deployed:
        service = self.release.service
        deployments.require_service(self.stack, service)
        if self.stack.daemon(service).process() is None:
            raise UserError(
                f"{service} does not run, so a canary has nothing to be compared with: `shop up`."
            )
        before = self.stack.deployment(service).now
        if before.version == self.release.version:
            raise UserError(f"{before.name} runs already: name another release.")
        return before

    async def _tried(self, canary: Canary) -> tuple[Judgement, Seen, Seen]:
        """Run the canary and judge it. It has ended afterwards."""
        nothing = Seen()
        self.log(f"starting {self.release.name} beside the running release")
        try:
            await canary.start()
            return await self._watched(canary)
        except UserError as error:
            # A UserError of `start` says why; the running release was not touched.
            return _withdrawn(self.release, str(error)), nothing, nothing
        finally:
            self.log("ending the canary")
            await canary.stop()

    async def _watched(self, canary: Canary) -> tuple[Judgement, Seen, Seen]:
        name = self.release.name
        watch = Watch(self.target, self.release.service, self.release.version, datetime.now(UTC))
        watch.partitions |= await canary.partitions()
        async with self._orders():
            given_up = time.monotonic() + self.seconds
            while time.monotonic() < given_up:
                await asyncio.sleep(min(LOOK_SECONDS, max(0.1, given_up - time.monotonic())))
                watch.partitions |= await canary.partitions()
                mine, theirs = await watch.look()
                self.log(
                    f"{name} has handled {mine.messages} messages, the running release {theirs.messages}"
                )
                if canary.daemon.process() is None:
                    return _withdrawn(self.release, "its process ended"), mine, theirs
                # One sign is enough to end it; the signs that need many orders wait for the end.
                if found := fault(_without_ages(mine), theirs):
                    return _withdrawn(self.release, found), mine, theirs
        self.log("judging")
        await asyncio.sleep(SPANS_ARRIVE_WITHIN)
        mine, theirs = await watch.look_closely()
        return decide(name, mine, theirs, self.seconds), mine, theirs

    @asynccontextmanager
    async def _orders(self) -> AsyncIterator[None]:
        if not self.rate:
            yield
            return
        try:
            async with background_orders.running(self.target, self.rate):
                yield
        except ExceptionGroup as group:
            # The load and the trial fail together, and one error is reported.
            raise first_of(group) from group


def _require_none(canary: Canary) -> None:
    if canary.daemon.process() is not None:
        raise UserError(
            f"A canary of {canary.service} runs already: wait until it has ended, or end it with "
            f"`shop restart {canary.service}`."
        )


def _withdrawn(release: Deployed, why: str) -> Judgement:
    return Judgement(Decision.WITHDRAW, f"{release.name} is withdrawn, because {why.rstrip('.')}.")


def _without_ages(seen: Seen) -> Seen:
    return Seen(seen.messages, seen.failed_tries, seen.dead_letters, seen.violations)
