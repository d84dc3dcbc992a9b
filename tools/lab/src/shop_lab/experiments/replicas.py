"""Four replicas of every service under orders of every outcome. Some of them start, stop and crash all the time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from shop_lab.experiments import background_orders, takeover
from shop_lab.experiments.churn import Churn, First, Process
from shop_lab.experiments.experiment import Experiment
from shop_lab.experiments.outcome import Outcome, at_most
from shop_lab.replicas import Replica
from shop_oracle.report import Verdict

REPLICAS = 4
RATE = 12.0
CRASH_SHARE = 0.3
AT_A_TIME = 2
TAKEOVER_SECONDS = 10.0


async def run(experiment: Experiment, minutes: float) -> Outcome:
    """First kill one replica of each service, to measure how soon others own its shards; then `minutes` of churn."""
    testbed = experiment.testbed
    churn = Churn(CRASH_SHARE)
    experiment.log(f"starting {REPLICAS} replicas of every service")
    async with testbed.running_replicas(REPLICAS) as more:
        first = testbed.target.service_urls["orders"]
        urls = [first, *(f"http://127.0.0.1:{one.port}" for one in more if one.service == "orders")]
        async with background_orders.running(testbed.target, RATE, urls) as placed:
            waits = [await _crash(experiment, victim) for victim in _one_of_each(more)]
            processes: list[Process] = [
                *more,
                *(First(testbed.stack, name) for name in testbed.stack.services),
            ]
            await _churn(experiment, churn, processes, minutes)
        await background_orders.restart_tracing(testbed.stack, testbed.target)
        _, verdict = await experiment.judge()
    detail = {
        "orders": len(placed),
        "processes": len(processes),
        **churn.counts,
        "seconds until a dead relay's share was taken over": [round(wait, 1) for wait in waits],
    }
    return verdict_on(waits, verdict, detail)


def verdict_on(waits: Sequence[float], verdict: Verdict, detail: dict[str, object]) -> Outcome:
    """Compare the results with their limits."""
    violations = {ruling.name: len(ruling.judgement.violations) for ruling in verdict.rulings}
    values = [
        at_most("a dead relay's share is taken over, the slowest of them", max(waits), TAKEOVER_SECONDS, "s"),
        at_most("keys out of order", violations["no_key_is_out_of_order"], 0),
        at_most("effects that happened twice", violations["no_effect_happens_twice"], 0),
    ]
    return Outcome(values, verdict, detail)


def _one_of_each(more: Sequence[Replica]) -> list[Replica]:
    return list({replica.service: replica for replica in more}.values())


async def _crash(experiment: Experiment, victim: Replica) -> float:
    experiment.log(f"kill -9 of a replica of {victim.service}")
    seconds = await takeover.seconds_after_crash(experiment.testbed, victim, REPLICAS)
    await victim.start()
    return seconds


async def _churn(experiment: Experiment, churn: Churn, processes: Sequence[Process], minutes: float) -> None:
    began = time.monotonic()

    def goes_on() -> bool:
        share = (time.monotonic() - began) / (60 * minutes)
        experiment.log(
            ", ".join(f"{count} {what}" for what, count in churn.counts.items()) or "coming and going"
        )
        experiment.report_progress(min(1.0, share))
        return share < 1

    async with asyncio.TaskGroup() as group:
        for turn in range(AT_A_TIME):
            group.create_task(churn.go_and_come(processes[turn::AT_A_TIME], goes_on))
