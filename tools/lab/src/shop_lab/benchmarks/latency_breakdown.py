"""Where an order's time goes between its request and its confirmation, by PostgreSQL's own record of the commits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import mean

from shop_lab.testbed import Testbed
from shop_lab.trial import COMMITTED_AT, Trial

STAGES = ("placed", "stock reserved", "payment due", "charged", "confirmed")
"""What an order comes to, in this order; each is a commit of the service that does it."""

Moments = Sequence[float]
"""When an order's request was due, then when it came to each of STAGES; seconds since the epoch."""


async def moments(testbed: Testbed, run: Trial) -> list[Moments]:
    """Of each order of a run."""
    orders = list(run.due)
    placed = await _published(testbed, "orders", "orders.order-placed.v1", orders)
    reserved = await _published(testbed, "inventory", "inventory.stock-reserved.v1", orders)
    charged = await _published(testbed, "payments", "payments.payment-captured.v1", orders)
    heard = await _heard(testbed, [id for facts in (placed, reserved) for id, _ in facts.values()])
    return [
        (
            due,
            placed[order][1],
            reserved[order][1],
            # It is due when payments knows both facts, whichever comes last.
            max(heard[placed[order][0]], heard[reserved[order][0]]),
            charged[order][1],
            run.confirmed[order],
        )
        for order, due in run.due.items()
    ]


def share(orders: Sequence[Moments], low: float, high: float) -> dict[str, float]:
    """Stage → milliseconds, the mean of the orders between two shares of all, the quickest first."""
    ranked = sorted(orders, key=lambda times: times[-1] - times[0])
    some = ranked[int(low * len(ranked)) : max(int(low * len(ranked)) + 1, int(high * len(ranked)))]
    taken = [[later - earlier for earlier, later in pairwise(times)] for times in some]
    return {name: 1000 * mean(row[nth] for row in taken) for nth, name in enumerate(STAGES)}


async def _published(
    testbed: Testbed, service: str, event: str, orders: Sequence[str]
) -> dict[str, tuple[str, float]]:
    """Order → the event's id, and when it was committed."""
    async with testbed.database(service) as connection:
        rows = await connection.fetch(_PUBLISHED, event, orders)
    return {order: (id, at) for order, id, at in rows}


async def _heard(testbed: Testbed, ids: Sequence[str]) -> dict[str, float]:
    """Event id → when payments committed that it has it."""
    async with testbed.database("payments") as connection:
        return {row["id"]: row["at"] for row in await connection.fetch(_HEARD, ids)}


_PUBLISHED = (
    f"SELECT key, event_id::text, {COMMITTED_AT} FROM outbox WHERE type = $1 AND key = ANY($2::text[])"
)
_HEARD = f"SELECT event_id::text AS id, {COMMITTED_AT} AS at FROM inbox WHERE event_id = ANY($1::uuid[])"
