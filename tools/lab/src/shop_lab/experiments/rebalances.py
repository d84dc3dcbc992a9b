"""A consumer's replicas join and leave repeatedly under load. No event may be lost, handled twice or overtaken, and no
partition may stall for long."""

from __future__ import annotations

import asyncio
import time

from shop_lab import replicas
from shop_lab.experiments import background_orders, stalls
from shop_lab.experiments.churn import Churn
from shop_lab.experiments.experiment import Experiment
from shop_lab.experiments.outcome import Outcome, at_least, at_most
from shop_lab.experiments.stalls import Stall
from shop_lab.replicas import Replica
from shop_oracle.report import Verdict

SESSION_SECONDS = 10.0
"""The chassis' session timeout, with which the services run here: the broker waits so long for a silent member."""
MARGIN_SECONDS = 2.0
RATE = 15.0
CRASH_SHARE = 0.05
AT_A_TIME = 2


async def run(experiment: Experiment, service: str, joins: int) -> Outcome:
    """Start and stop two replicas of `service`, in addition to the one that stays. One stop in twenty is `kill -9`."""
    testbed = experiment.testbed
    more = [one for one in replicas.beside(testbed.stack, AT_A_TIME) if one.service == service]
    churn = Churn(CRASH_SHARE)

    def goes_on() -> bool:
        experiment.log(f"{churn.counts['joined']} of {joins} joins")
        experiment.report_progress(churn.counts["joined"] / joins)
        return churn.counts["joined"] < joins

    began = time.monotonic()
    try:
        async with background_orders.running(testbed.target, RATE) as placed:
            await asyncio.gather(*(churn.come_and_go(one, goes_on) for one in more))
    finally:
        await _end(more)
    took = time.monotonic() - began
    await background_orders.restart_tracing(testbed.stack, testbed.target)
    evidence, verdict = await experiment.judge()
    stall = stalls.longest(evidence.log.entries, await stalls.taken_by(testbed, service))
    detail: dict[str, object] = {
        "service": service,
        "orders": len(placed),
        "seconds": round(took),
        **churn.counts,
        "during the longest stall": churn.told(stall.since, stall.since + stall.seconds),
    }
    return verdict_on(joins, churn.counts["joined"], stall, verdict, detail)


def verdict_on(
    wanted: int, joined: int, stall: Stall, verdict: Verdict, detail: dict[str, object]
) -> Outcome:
    """Compare the results with their limits."""
    values = [
        at_least("replicas that joined, and left again", joined, wanted),
        at_most("longest stall of a partition", stall.seconds, SESSION_SECONDS + MARGIN_SECONDS, "s"),
    ]
    return Outcome(values, verdict, {**detail, "stall ended by": stall.until})


async def _end(more: list[Replica]) -> None:
    await asyncio.gather(*(replica.stop() for replica in more))
