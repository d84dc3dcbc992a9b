"""Orders that arrive while something is broken, and what became of them before it was repaired."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from shop_lab import trial
from shop_lab.compare.figures import share_key
from shop_lab.testbed import Testbed
from shop_observe.topics import declared_topics
from shop_oracle.evidence import ENDED, Order
from shop_oracle.quiet import wait_for_rest
from shop_stack.errors import UserError

RATE = 10.0
"""Orders per second."""
PATIENCE = 4
"""Seconds for which a customer repeats a request."""
DEADLINE = 5
"""Seconds after which orders cancels an order that is PENDING."""
GRACE = 3.0
"""Seconds after the last deadline that the orders may take to end."""
REST = 90.0
"""The longest time, in seconds, until the shop is at rest after a repair."""
OPTIONS = (f"--deadline={DEADLINE}", f"--patience={PATIENCE}")
"""How the orders of a window are sent."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which something was broken, and the orders of that time."""

    broken: str
    """How the keys of its values begin."""
    began: datetime
    cured: datetime
    """The moment before the repair began."""
    tried: int
    """Orders that customers tried to place."""
    accepted: int
    """Orders that were answered with 202."""


async def watch(testbed: Testbed, broken: str, seconds: float) -> Window:
    """Let orders arrive for some seconds, and wait until those that can end have ended."""
    began, tried = datetime.now(UTC), int(RATE * seconds)
    sent = await trial.send(testbed, tried, RATE, *OPTIONS)
    await asyncio.sleep(DEADLINE + GRACE)
    return Window(broken, began, datetime.now(UTC), tried, len(sent.orders))


async def come_to_rest(testbed: Testbed, broken: str) -> None:
    """Return when all work is done after a repair. Raises UserError if that takes longer than REST seconds."""
    if moving := await wait_for_rest(testbed.target, declared_topics(testbed.target.contracts), REST):
        raise UserError(f"{REST:.0f} s after the end of {broken}, there is still work: {', '.join(moving)}.")


def shares(window: Window, orders: Iterable[Order]) -> dict[str, float]:
    """Key → percent of the orders that customers tried to place: accepted, ended and confirmed before the repair."""
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
    return {share_key(window.broken, share): 100 * count / window.tried for share, count in counts.items()}
