"""Makes the choices of a schedule by a seed, from what is possible at each moment."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from shop_simulate.choices import STOCK, Answering, Choice
from shop_simulate.shop import Shop
from shop_simulate.work import Fate

MOST_ORDERS = 3
STEPS = 40
"""The most choices of a schedule."""
CARDS = ("tok_ok", "tok_ok", "tok_ok", "tok_declined")
WAITS = ("1", "7", "7", "7", "61")
"""Seconds: less than any time limit, longer than a relay's lease, longer than an order's deadline."""
GROUPS = {"orders": 4, "inventory": 4, "payments": 4, "notifications": 1, "analytics": 1}
"""Service → how often the scheduler looks at its unread events, relative to the others."""

Make = Callable[[random.Random, Shop], Choice | None]


def next_choice(by: random.Random, shop: Shop) -> Choice:
    """A choice that is possible now, or that changes nothing."""
    while True:
        (make,) = by.choices(list(WEIGHTS), list(WEIGHTS.values()))
        if (choice := make(by, shop)) is not None:
            return choice


def place(by: random.Random, shop: Shop) -> Choice | None:
    """Place an order."""
    number = len(shop.order_ids) + 1
    if number > MOST_ORDERS:
        return None
    sku = by.choice(list(STOCK))
    return ("place", str(number), sku, str(by.randint(1, 3)), by.choice(CARDS), *_fate(by))


def cancel(by: random.Random, shop: Shop) -> Choice | None:
    """Cancel an order, in any state."""
    return ("cancel", by.choice(list(shop.order_ids)), *_fate(by)) if shop.order_ids else None


def product(by: random.Random, shop: Shop) -> Choice:
    """Change a price or a stock."""
    sku = by.choice(list(STOCK))
    if by.random() < 0.5:
        return ("price", sku, str(by.randint(1, 9) * 100))
    return ("replenish", sku, str(by.randint(1, 3)))


def relay(by: random.Random, shop: Shop) -> Choice | None:
    """Send a page of an outbox that has rows to send."""
    waiting = [name for name, process in shop.processes.items() if process.can_send]
    return ("relay", by.choice(waiting)) if waiting else None


def save(by: random.Random, shop: Shop) -> Choice:
    """Save the positions of a relay."""
    return ("save", by.choice(list(shop.processes)))


def deliver(by: random.Random, shop: Shop) -> Choice | None:
    """Deliver one event, or all unread events of a group as one batch."""
    (group,) = by.choices(list(GROUPS), list(GROUPS.values()))
    lanes = shop.transport.unread_lanes(group)
    if not lanes:
        return None
    if by.random() < 0.3:
        return ("deliver", group, "all", *_fate(by))
    lane = by.choice(lanes)
    return ("deliver", group, lane.topic, shop.label_of(lane.key), *_fate(by))


def redeliver(by: random.Random, shop: Shop) -> Choice | None:
    """Deliver the events of a key again, from the first one."""
    read = [lane for lane, position in shop.transport.positions.items() if position]
    if not read:
        return None
    lane = by.choice(read)
    return ("redeliver", lane.group, lane.topic, shop.label_of(lane.key))


def swap(by: random.Random, shop: Shop) -> Choice | None:
    """Exchange the next two events of a key."""
    lanes = [
        lane
        for group in shop.processes
        for lane in shop.transport.unread_lanes(group)
        if len(shop.transport.unread(lane)) > 1
    ]
    if not lanes:
        return None
    lane = by.choice(lanes)
    return ("swap", lane.group, lane.topic, shop.label_of(lane.key))


def job(by: random.Random, shop: Shop) -> Choice | None:
    """Run a job that may have something to do, or let one go on that waits before its next transaction."""
    possible = [
        (name, job)
        for name, process in shop.processes.items()
        for job in process.jobs
        if job in process.woken or process.is_running(job)
    ]
    if not possible:
        return None
    service, name = by.choice(possible)
    words: Sequence[str] = _fate(by)
    if service == "payments" and by.random() < 0.3:
        words = (*words, by.choice((Answering.LOSES, Answering.REFUSES)))
    return ("job", service, name, *words)


def kill(by: random.Random, shop: Shop) -> Choice:
    """Kill a process between two transactions."""
    return ("kill", by.choice(list(shop.processes)))


def wait(by: random.Random, shop: Shop) -> Choice:
    """Let time pass."""
    return ("wait", by.choice(WAITS))


def _fate(by: random.Random) -> tuple[str, ...]:
    drawn = by.random()
    if drawn < 0.05:
        return (Fate.DIES_BEFORE,)
    return (Fate.DIES_AFTER,) if drawn < 0.12 else ()


WEIGHTS: dict[Make, int] = {
    place: 8,
    cancel: 1,
    product: 1,
    relay: 20,
    save: 2,
    deliver: 40,
    redeliver: 2,
    swap: 2,
    job: 12,
    kill: 1,
    wait: 2,
}
"""How often each kind of choice is made, relative to the others."""
