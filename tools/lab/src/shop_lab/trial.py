"""One measured run of orders through the shop: from the first request until the last event has been digested."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from shop_lab.cpu import Spent
from shop_lab.testbed import Testbed
from shop_load.open_loop import Sent
from shop_observe.history import History
from shop_stack.errors import UserError
from shop_stack.process import run

PATIENCE = 300.0
"""Seconds that may pass without any progress before a run is given up."""
LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Trial:
    """What a run of orders cost, and how long each took."""

    orders: int
    wall: float
    """Seconds from the first request to the last confirmation's commit."""
    spent: Spent
    """CPU until the last event of the last order had been digested."""
    due: Mapping[str, float]
    """Order id → when its request was due, seconds since the epoch."""
    confirmed: Mapping[str, float]
    """Order id → when its confirmation was committed."""
    answered: Sequence[float]
    """Seconds from when an order's request was due to its 202, shortest first."""
    shed: int
    generator_cpu: float

    @property
    def latencies(self) -> list[float]:
        """Seconds from when an order's request was due to the commit of its confirmation, shortest first."""
        return sorted(self.confirmed[order_id] - due for order_id, due in self.due.items())

    @property
    def rate(self) -> float:
        """Orders per second that reached their end."""
        return self.orders / self.wall

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds of an order, everything counted."""
        return 1000 * self.spent.cost / self.orders

    @property
    def cpu_ms_by_part(self) -> dict[str, float]:
        """The same by process, with what is told apart."""
        parts = {name: 1000 * seconds / self.orders for name, seconds in self.spent.parts.items()}
        return {**parts, "customers": 1000 * self.generator_cpu / self.orders}

    @property
    def yardstick_ms(self) -> float:
        """CPU milliseconds that an order costs the card processor and its customer.

        They do the same for each, whatever the shop does: what it is more at one time the machine is slower then.
        """
        return 1000 * (self.spent.apart + self.generator_cpu) / self.orders


_seeds = iter(range(int(time.time()), 2**62))


async def place(testbed: Testbed, orders: int, rate: float) -> Trial:
    """Place `orders` orders at `rate` per second (0: all at once) and wait for the end of all their events."""
    began = first_id()
    before = testbed.clock()
    sent = await send(testbed, orders, rate)
    await _digested(testbed, orders, began)
    spent = testbed.clock().since(before)
    confirmed = await confirmations(testbed, began)
    return Trial(
        orders=orders,
        wall=max(confirmed.values()) - sent.began,
        spent=spent,
        due=sent.orders,
        confirmed=confirmed,
        answered=sorted(sent.answered),
        shed=sent.shed,
        generator_cpu=sent.cpu_seconds,
    )


def first_id() -> UUID:
    """The least id that an order placed from now on can have."""
    return UUID(int=time.time_ns() // 1_000_000 << 80)


async def send(testbed: Testbed, orders: int, rate: float, *more: str) -> Sent:
    """Have customers place orders; returns when all have been taken. `more` are further options of theirs.

    What they were told goes into the history, for the oracle.
    """
    out = testbed.stack.state / "sent.json"
    seed = next(_seeds)
    options = {
        "orders": orders,
        "rate": rate,
        "seed": seed,
    }
    argv = [sys.executable, "-m", "shop_load.open_loop", "--out", str(out)]
    argv += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    argv += [f"--port={port}" for port in testbed.orders_ports]
    argv += more
    code, output = await run(argv, env=os.environ)
    if code != 0:
        raise UserError(f"The benchmark's customers gave up: {output[-400:]}")
    sent = Sent(**json.loads(out.read_text()))
    with History(testbed.target.state / "history", f"customers-{seed}") as history:
        for order_id, key in sent.keys.items():
            history.answered(history.asked("place-order", key=key), 202, order_id)
    return sent


async def _digested(testbed: Testbed, orders: int, began: UUID) -> None:
    """Return when analytics, which hears of everything last, has every fact of every order."""
    seen, since = 0, time.monotonic()
    async with testbed.database("analytics") as analytics:
        while True:
            done = await analytics.fetchval(_DIGESTED, began)
            if done >= orders:
                return
            if done > seen:
                seen, since = done, time.monotonic()
            if time.monotonic() - since > PATIENCE:
                raise UserError(
                    f"Only {done} of {orders} orders came to their end, and for {PATIENCE:.0f} s none more."
                )
            await asyncio.sleep(LOOK_SECONDS)


async def confirmations(testbed: Testbed, began: UUID) -> dict[str, float]:
    """Order id → when its confirmation was committed, by PostgreSQL's clock, which is this machine's."""
    async with testbed.database("orders") as orders:
        return {row["id"]: row["at"] for row in await orders.fetch(_CONFIRMED, began)}


COMMITTED_AT = "extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8"
"""When a row's transaction was committed, in a query of its table."""

# An order's id is a UUIDv7: those since a moment are a range of the primary key, which costs the shop next to nothing.
_DIGESTED = """
    SELECT count(*) FROM order_facts
    WHERE generation = (SELECT generation FROM projection_state WHERE state = 'ACTIVE')
      AND order_id >= $1 AND order_state = 'CONFIRMED' AND reservation_state = 'COMMITTED'
      AND captured_at IS NOT NULL AND notified_at IS NOT NULL
"""
_CONFIRMED = f"""
    SELECT id::text, {COMMITTED_AT} AS at FROM orders
    WHERE id >= $1 AND state = 'CONFIRMED'
"""
