"""One measured run of orders through the shop: from the first request until the last event was handled."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from shop_lab.cpu import Spent
from shop_lab.testbed import Testbed
from shop_load.open_loop import CUSTOMERS, Sent
from shop_observe.history import History
from shop_stack import logins
from shop_stack.errors import UserError
from shop_stack.passwords import write_private
from shop_stack.process import run

PATIENCE = 300.0
"""A run fails if there is no progress for so many seconds."""
LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Trial:
    """The cost of a run of orders, and the latency of each order."""

    orders: int
    wall: float
    """Seconds from the first request to the commit of the last confirmation."""
    spent: Spent
    """CPU time until the last event of the last order was handled."""
    due: Mapping[str, float]
    """Order id → the time at which its request was due, seconds since the epoch."""
    confirmed: Mapping[str, float]
    """Order id → the time at which its confirmation was committed, seconds since the epoch."""
    answered: Sequence[float]
    """For each order, the seconds from when its request was due to its 202, shortest first."""
    shed: int
    generator_cpu: float

    @property
    def latencies(self) -> list[float]:
        """Seconds from when a request was due to the commit of the confirmation, shortest first."""
        return sorted(self.confirmed[order_id] - due for order_id, due in self.due.items())

    @property
    def rate(self) -> float:
        """Orders per second that ended."""
        return self.orders / self.wall

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds per order, of all parts that belong to its cost."""
        return 1000 * self.spent.cost / self.orders

    @property
    def cpu_ms_by_part(self) -> dict[str, float]:
        """The same by part, including the parts that do not belong to the cost."""
        parts = {name: 1000 * seconds / self.orders for name, seconds in self.spent.parts.items()}
        return {**parts, "customers": 1000 * self.generator_cpu / self.orders}

    @property
    def yardstick_ms(self) -> float:
        """CPU milliseconds per order of the card processor and of the load generator.

        Their work per order is always the same. If they need more CPU time at one moment, the machine is slower then.
        """
        return 1000 * (self.spent.apart + self.generator_cpu) / self.orders


_seeds = iter(range(int(time.time()), 2**62))


async def place(testbed: Testbed, orders: int, rate: float) -> Trial:
    """Place `orders` orders at `rate` per second (0: all at once), and wait until all their events are handled.

    Raises UserError if the run makes no progress.
    """
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
    """A lower bound for the ids of orders that are placed from now on (UUIDv7)."""
    return UUID(int=time.time_ns() // 1_000_000 << 80)


async def send(testbed: Testbed, orders: int, rate: float, *more: str) -> Sent:
    """Place orders with the load generator. Returns when all were accepted. `more` are further options of it.

    The requests and answers are written into the history, for the oracle. Raises UserError if the generator fails.
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
    argv += [f"--tokens={await asyncio.to_thread(_write_tokens, testbed)}", *more]
    code, output = await run(argv, env=os.environ)
    if code != 0:
        raise UserError(f"The benchmark's customers gave up: {output[-400:]}")
    sent = Sent(**json.loads(out.read_text()))
    with History(testbed.target.state / "history", f"customers-{seed}") as history:
        for order_id, key in sent.keys.items():
            history.answered(history.asked("place-order", key=key), 202, order_id)
    return sent


def _write_tokens(testbed: Testbed) -> Path:
    """Write the tokens of all customers into a file that only the owner may read. Returns the file."""
    file = testbed.stack.state / "tokens.json"
    write_private(file, {who: logins.token(testbed.target.issuer, who) for who in CUSTOMERS})
    return file


async def _digested(testbed: Testbed, orders: int, began: UUID) -> None:
    """Return when analytics has every event of every order, as it receives the last ones. Raises UserError."""
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
                    f"Only {done} of {orders} orders ended, and there was no progress for {PATIENCE:.0f} s."
                )
            await asyncio.sleep(LOOK_SECONDS)


async def confirmations(testbed: Testbed, began: UUID) -> dict[str, float]:
    """Order id → commit time of its confirmation, by the clock of PostgreSQL, which is that of this machine."""
    async with testbed.database("orders") as orders:
        return {row["id"]: row["at"] for row in await orders.fetch(_CONFIRMED, began)}


COMMITTED_AT = "extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8"
"""SQL: the commit time of a row's transaction, in seconds since the epoch."""

# An order id is a UUIDv7. So the orders since a moment are a range of the primary key, and the query is cheap.
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
