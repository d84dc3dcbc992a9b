"""The blast radius: a fault in the event handlers of one service, and the orders that end all the same.

The process of the service is started with the fault, as after a bad deployment. One order makes it strike, and then
the orders arrive that count. Then the process is killed and started without the fault. The evidence of the oracle says
which orders had ended before that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from shop_lab import trial
from shop_lab.compare.figures import BROKEN, FAULTS, blast_key
from shop_lab.testbed import Testbed
from shop_observe.topics import declared_topics
from shop_oracle.evidence import ENDED, Order
from shop_oracle.quiet import wait_for_rest
from shop_stack import admin, embedded
from shop_stack.errors import UserError

CHILD = Path(__file__).parent / "child"
"""The folder that a process with a fault has in its PYTHONPATH."""
RATE = 10.0
"""Orders per second."""
PATIENCE = 4
"""Seconds for which a customer repeats a request."""
DEADLINE = 5
"""Seconds after which orders cancels an order that is PENDING."""
GRACE = 3.0
"""Seconds after the last deadline that the orders may take to end."""
STRUCK_SECONDS = 30.0
"""The longest time, in seconds, from an order to the first call of a broken handler."""
REST = 90.0
"""The longest time, in seconds, until the shop is at rest after a fault was removed."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which a service had a fault, and the orders of that time."""

    service: str
    fault: str
    began: datetime
    cured: datetime
    """The moment before the faulty process was killed."""
    tried: int
    """Orders that customers tried to place."""
    accepted: int
    """Orders that were answered with 202."""


async def strike_all(testbed: Testbed, seconds: float, log: Callable[[str], None]) -> list[Window]:
    """Give each service of BROKEN each fault, one after the other. Raises UserError if a fault had no effect."""
    windows = []
    for service in BROKEN:
        for fault in FAULTS:
            log(f"{service} {fault}")
            windows.append(await strike(testbed, service, fault, seconds))
            if moving := await wait_for_rest(testbed.target, declared_topics(testbed.target.contracts), REST):
                raise UserError(
                    f"{REST:.0f} s after {service} had its fault, there is still work: {', '.join(moving)}."
                )
    return windows


async def strike(testbed: Testbed, service: str, fault: str, seconds: float) -> Window:
    """Let orders arrive for some seconds while a service has a fault, and then remove the fault.

    Raises UserError if the fault has no effect.
    """
    stack, unit = testbed.stack, testbed.stack.database_of(service)
    struck = stack.state / f"struck-{service}-{fault}"
    variables = {
        "PYTHONPATH": str(CHILD),
        "COMPARE_FAULT": f"{service} {fault}",
        "COMPARE_STRUCK": str(struck),
    }
    await embedded.stop(stack, unit)
    await embedded.start(replace(stack, environment={**stack.environment, **variables}), unit)
    options = (f"--deadline={DEADLINE}", f"--patience={PATIENCE}")
    await trial.send(testbed, 1, 0, *options)
    await until_struck(struck, service)
    began, tried = datetime.now(UTC), int(RATE * seconds)
    sent = await trial.send(testbed, tried, RATE, *options)
    await asyncio.sleep(DEADLINE + GRACE)
    cured = datetime.now(UTC)
    await embedded.kill(stack, unit)
    await embedded.start(stack, unit)
    await asyncio.to_thread(admin.redrive_all, testbed.target, service)
    return Window(service, fault, began, cured, tried, len(sent.orders))


async def until_struck(struck: Path, service: str, seconds: float = STRUCK_SECONDS) -> None:
    """Return when a broken handler was called for the first time. Raises UserError if that takes too long."""
    given_up = time.monotonic() + seconds
    while not struck.exists():
        if time.monotonic() > given_up:
            raise UserError(
                f"The fault of {service} had no effect: no handler was called for {seconds:.0f} s."
            )
        await asyncio.sleep(0.1)


def shares(window: Window, orders: Iterable[Order]) -> dict[str, float]:
    """Key → percent of the orders that customers tried to place: accepted, ended and confirmed before the cure."""
    ended = [
        order
        for order in orders
        if window.began <= order.placed_at
        and order.state in ENDED
        and order.ended_at is not None
        and order.ended_at < window.cured
    ]
    counts = {
        "accepted": window.accepted,
        "ended": len(ended),
        "confirmed": sum(order.state == "CONFIRMED" for order in ended),
    }
    return {
        blast_key(window.service, window.fault, share): 100 * count / window.tried
        for share, count in counts.items()
    }
