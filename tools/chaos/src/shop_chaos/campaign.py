"""A campaign: one fault, injected many times into parts that a seed chooses, while orders arrive.

A strike counts only if its part ran before it, ended, and is ready again after it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shop_chaos import activities, run_record, system
from shop_lab.experiments.outcome import Outcome, at_least, at_most
from shop_observe.topics import declared_topics
from shop_oracle.quiet import wait_for_rest
from shop_stack.errors import UserError

LONGEST_SECONDS = 2.0
"""The most seconds that one strike lasts, and between two strikes."""
READY_SECONDS = 60.0
"""The longest wait for a part that is to be struck: it may still recover from the strike before."""
BACKLOG_SECONDS = 30.0
"""The limit for the time from the end of the last fault until no order, event or message is in progress."""
REST_SECONDS = 180.0
"""The longest wait for it."""


@dataclass(frozen=True, slots=True)
class Strike:
    """One injection into one or several parts at once."""

    parts: tuple[str, ...]
    lasts: float
    """Seconds until it is undone."""
    pause: float
    """Seconds from then until the next one."""


def planned(parts: Sequence[str], strikes: int, at_once: int, seed: int) -> list[Strike]:
    """The strikes, each into `at_once` of the parts. The same seed gives the same strikes.

    Raises UserError if there are fewer parts than are struck at once, or if there is no strike.
    """
    if not 1 <= at_once <= len(parts) or strikes < 1:
        raise UserError(f"A campaign has 1 strike or more, each into 1 to {len(parts)} parts at once.")
    dice = random.Random(seed)
    return [
        Strike(
            tuple(dice.sample(list(parts), at_once)),
            dice.uniform(0, LONGEST_SECONDS),
            dice.uniform(0, LONGEST_SECONDS),
        )
        for _ in range(strikes)
    ]


def campaign(fault: str, parts: list[str], strikes: int, seed: int, at_once: int = 1) -> dict[str, Any]:
    """Action: inject a fault `strikes` times, each time into `at_once` parts that the seed chooses, and undo it.

    Measures how soon the backlog is gone after the last one.
    """
    outcome = carried_out(fault, planned(parts, strikes, at_once, seed))
    run_record.current().outcomes.append(outcome)
    return outcome.as_json()


def carried_out(fault: str, strikes: Sequence[Strike]) -> Outcome:
    """Carry out the strikes, and measure how soon the backlog is gone after the last one.

    It ends early when an invariant that holds at every moment is violated. No more customers come after the last
    strike has begun. The time until the backlog is gone includes their last orders.
    """
    record = run_record.current()
    counted: Counter[str] = Counter()
    for number, strike in enumerate(strikes, 1):
        if record.broken.is_set():
            break
        if number == len(strikes) and record.customers:
            record.customers.close()
        record.tell(f"{fault} {number} of {len(strikes)}: {', '.join(strike.parts)}")
        counted.update(_struck(fault, strike))
        record.broken.wait(strike.pause if number < len(strikes) else 0)
    record.tell("waiting until the backlog is gone")
    seconds = _seconds_until_rest()
    due = Counter(part for strike in strikes for part in strike.parts)
    return Outcome(
        [at_most("backlog gone after the last fault", round(seconds, 1), BACKLOG_SECONDS, "s")],
        None,
        seen=[at_least(f"{part} ended and came back", counted[part], due[part]) for part in sorted(due)],
    )


def _struck(fault: str, strike: Strike) -> list[str]:
    """Strike once. Returns the parts that ran before, ended, and are ready again as another process."""
    before = {part: _processes(part, READY_SECONDS) for part in strike.parts}
    for part in strike.parts:
        activities.inject(fault, part=part)
    activities.wait(strike.lasts)
    activities.heal(fault)
    return [part for part, were in before.items() if were and are_others(were, _processes(part))]


def are_others(were: frozenset[str], are: frozenset[str]) -> bool:
    """Whether there are processes, and none of them is an earlier one."""
    return bool(are) and not were & are


def _processes(part: str, patience: float = 0.0) -> frozenset[str]:
    """The ids of the part's processes; empty if it is not ready within `patience` seconds."""
    return asyncio.run(_ready_processes(part, time.monotonic() + patience))


async def _ready_processes(part: str, deadline: float) -> frozenset[str]:
    present = system.current().parts
    while not await present.is_ready(part):
        if time.monotonic() > deadline:
            return frozenset()
        await asyncio.sleep(activities.LOOK_SECONDS)
    return await present.running(part)


def _seconds_until_rest() -> float:
    """Seconds from now until the customers have their answers and the shop is at rest, at most about REST_SECONDS."""
    began = time.monotonic()
    if customers := run_record.current().customers:
        customers.leave()
    target = system.current().target
    asyncio.run(wait_for_rest(target, declared_topics(target.contracts), REST_SECONDS))
    return time.monotonic() - began
