"""The latency of an order by stage, from its request to its confirmation, by the commit times of PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import mean

from shop_lab.testbed import Testbed
from shop_lab.trial import COMMITTED_AT, Trial

STAGES = ("placed", "stock reserved", "payment due", "charged", "confirmed")
"""The stages of an order. Each ends with a commit of the service that carries it out."""

Moments = Sequence[float]
"""The time at which the request was due, then the end of each of STAGES, in seconds since the epoch."""


async def moments(testbed: Testbed, run: Trial) -> list[Moments]:
    """The moments of each order of a run."""
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
            # The payment is due when payments has both events, whichever arrives last.
            max(heard[placed[order][0]], heard[reserved[order][0]]),
            charged[order][1],
            run.confirmed[order],
        )
        for order, due in run.due.items()
    ]


def share(orders: Sequence[Moments], low: float, high: float) -> dict[str, float]:
    """Stage → mean milliseconds of the orders between two shares (0 to 1) of all orders, the fastest first."""
    ranked = sorted(orders, key=lambda times: times[-1] - times[0])
    some = ranked[int(low * len(ranked)) : max(int(low * len(ranked)) + 1, int(high * len(ranked)))]
    taken = [[later - earlier for earlier, later in pairwise(times)] for times in some]
    return {name: 1000 * mean(row[nth] for row in taken) for nth, name in enumerate(STAGES)}


async def _published(
    testbed: Testbed, service: str, event: str, orders: Sequence[str]
) -> dict[str, tuple[str, float]]:
    """Order → (the event's id, the time at which it was committed)."""
    async with testbed.database(service) as connection:
        rows = await connection.fetch(_PUBLISHED, event, orders)
    return {order: (id, at) for order, id, at in rows}


async def _heard(testbed: Testbed, ids: Sequence[str]) -> dict[str, float]:
    """Event id → the time at which payments committed it to its inbox."""
    async with testbed.database("payments") as connection:
        return {row["id"]: row["at"] for row in await connection.fetch(_HEARD, ids)}


_PUBLISHED = (
    f"SELECT key, event_id::text, {COMMITTED_AT} FROM outbox WHERE type = $1 AND key = ANY($2::text[])"
)
_HEARD = f"SELECT event_id::text AS id, {COMMITTED_AT} AS at FROM inbox WHERE event_id = ANY($1::uuid[])"
