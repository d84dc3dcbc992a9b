"""Ten times as many orders as the shop can process: it must refuse most of them early, and confirm the rest as fast."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from shop_lab import trial
from shop_lab.cpu import Spent
from shop_lab.experiments import memory
from shop_lab.experiments.experiment import Experiment
from shop_lab.experiments.memory import Memory
from shop_lab.experiments.outcome import Outcome, at_least, at_most
from shop_lab.testbed import Testbed
from shop_load.open_loop import Sent
from shop_oracle.report import Verdict
from shop_stack.ports import SERVICES

TIMES = 10
PEAK_ORDERS, PEAK_TRIES = 3_000, 3
"""The sustainable rate is measured PEAK_TRIES times before the overload, and as often after it. Results vary with the
machine's speed: they were between 180 and 304 orders per second within half an hour."""
WARM_UP_ORDERS = 1_500
GOODPUT = 0.8
DRAIN_SECONDS = 60.0
GROWTH_PERCENT = 10.0
CONNECTIONS = 256
LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Pace:
    """How fast orders were processed, and how fast the machine was at that time."""

    rate: float
    """Orders confirmed per second."""
    yardstick: float
    """CPU milliseconds per order of the card processor. Its work per order is always the same."""

    @property
    def at_one_speed(self) -> float:
        """The rate without the effect of the machine's speed: CPU milliseconds of the card processor per second."""
        return self.rate * self.yardstick


@dataclass(frozen=True)
class Rush:
    """The results of an overload."""

    seconds: float
    sent: Sent
    sought: float
    """The sustainable rate before the overload, orders per second. Ten times as many orders arrive."""
    tries: Sequence[Pace]
    """The sustainable rate, measured before and after the overload, with all orders waiting at once."""
    goodput: Pace
    """The rate during the overload."""
    drained: float
    """Seconds from the end of the overload until no order was PENDING."""
    memory: Memory

    @property
    def share(self) -> float:
        """The goodput, as a share of the sustainable rate. The machine's speed may change by a third in a minute."""
        return self.goodput.at_one_speed / median(pace.at_one_speed for pace in self.tries)

    @property
    def peak(self) -> float:
        """The sustainable rate, orders per second."""
        return median(pace.rate for pace in self.tries)


async def run(experiment: Experiment, minutes: float) -> Outcome:
    """Measure the sustainable rate, then send ten times as many orders. A customer whose order is refused leaves."""
    experiment.log("warming up")
    await trial.place(experiment.testbed, WARM_UP_ORDERS, 0)
    rush = await _rush(experiment, await _tries(experiment), 60 * minutes)
    _, verdict = await experiment.judge()
    return verdict_on(rush, verdict)


async def _tries(experiment: Experiment) -> list[Pace]:
    experiment.log("looking for the sustainable rate")
    tries = [await trial.place(experiment.testbed, PEAK_ORDERS, 0) for _ in range(PEAK_TRIES)]
    return [_pace(one.orders, one.wall, one.spent) for one in tries]


def _pace(orders: int, seconds: float, spent: Spent) -> Pace:
    return Pace(orders / seconds, 1000 * spent.apart / orders)


async def _rush(experiment: Experiment, before: list[Pace], seconds: float) -> Rush:
    testbed, began, sought = experiment.testbed, trial.first_id(), median(pace.rate for pace in before)
    experiment.log(f"{TIMES} × {sought:.0f} orders a second")
    orders, options = int(TIMES * sought * seconds), ("--impatient", f"--connections={CONNECTIONS}")
    async with memory.watched(testbed, seconds) as watched, experiment.clock(seconds):
        clock = testbed.clock()
        sent = await trial.send(testbed, orders, TIMES * sought, *options)
        ended, spent = time.time(), testbed.clock().since(clock)
        experiment.log("draining")
        await _drained(testbed)
        drained = time.time() - ended
    took = ended - sent.began
    confirmed = await trial.confirmations(testbed, began)
    done = sum(at <= ended for at in confirmed.values())
    tries, goodput = before + await _tries(experiment), _pace(done, took, spent)
    return Rush(took, sent, sought, tries, goodput, drained, watched)


async def _drained(testbed: Testbed) -> None:
    async with testbed.database("orders") as orders:
        while await orders.fetchval("SELECT EXISTS (SELECT FROM orders WHERE state = 'PENDING')"):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)


def verdict_on(rush: Rush, verdict: Verdict) -> Outcome:
    """Compare the results with their limits."""
    sent = rush.sent
    came = (sent.asked + sent.left) / rush.seconds
    values = [
        at_least("orders that came, of the sustainable rate", came / rush.sought, 0.9 * TIMES, "×"),
        at_least("refused with 429", sent.shed, 1),
        at_most("refused without Retry-After", sent.vague, 0),
        at_least(
            "confirmed meanwhile, of the sustainable rate, at one speed of the machine",
            rush.share,
            GOODPUT,
            "×",
        ),
        at_most("until the queue had drained", rush.drained, DRAIN_SECONDS, "s"),
        at_most(
            "the services' memory, last third to middle third",
            rush.memory.growth(SERVICES),
            GROWTH_PERCENT,
            "% more",
        ),
    ]
    detail = {
        "sustainable orders/s": round(rush.peak, 1),
        "of them before the rush": round(rush.sought, 1),
        "confirmed orders/s": round(rush.goodput.rate, 1),
        "their share by the clock alone": round(rush.goodput.rate / rush.peak, 2),
        "yardstick, card processor's CPU ms of an order, of each try": [
            round(pace.yardstick, 3) for pace in rush.tries
        ],
        "yardstick in the rush": round(rush.goodput.yardstick, 3),
        "seconds": round(rush.seconds),
        "answered requests/s": round(sent.asked / rush.seconds),
        "taken": len(sent.orders),
        "refused": sent.shed,
        "gave up in the queue for a connection": sent.left,
        "peak memory, MB": {part: round(most) for part, most in rush.memory.peak().items()},
    }
    return Outcome(values, verdict, detail)
