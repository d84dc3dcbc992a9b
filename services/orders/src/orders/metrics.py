"""The business metrics of orders. Ends of orders are counted by the events that were committed.

The age of an order at its end is measured from its id, which is a UUIDv7 and has the time at which it was placed.
"""

import json
from collections.abc import Callable, Mapping
from uuid import UUID

from prometheus_client import Counter, Gauge, Histogram

from chassis.outbox import BusinessMetrics, OutboxRow
from chassis.postgres import Connection
from orders import db
from orders.domain import CancellationReason, OrderState, RejectionReason
from orders.events import OrderCancelled, OrderConfirmed, OrderPlaced, OrderRejected

LATE_SECONDS = 5.0
"""An order that is PENDING for longer misses the objective (deploy/observability/slo.yaml). It is a bucket of AGE."""

PLACED = Counter("shopfloor_orders_placed_total", "Orders that were accepted")
ENDED = Counter("shopfloor_orders_ended_total", "Orders that have ended, by outcome", ["outcome", "reason"])
AGE = Histogram(
    "shopfloor_order_age_seconds",
    "Time from the placing of an order to its end; the exemplar names the trace of an order",
    ["outcome"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, LATE_SECONDS, 15, 60),
)
PENDING = Gauge("shopfloor_orders_pending", "Orders that are PENDING")
LATE = Gauge("shopfloor_orders_late", "Orders that are PENDING for more than 5 seconds")
OLDEST_PENDING = Gauge("shopfloor_order_oldest_pending_seconds", "Age of the oldest PENDING order")

NO_REASON = ""
REASONS: Mapping[OrderState, tuple[str, ...]] = {
    OrderState.CONFIRMED: (NO_REASON,),
    OrderState.REJECTED: tuple(RejectionReason),
    OrderState.CANCELLED: tuple(CancellationReason),
}
_ENDED = {
    (state, reason): ENDED.labels(state, reason) for state, reasons in REASONS.items() for reason in reasons
}
_AGES = {state: AGE.labels(state) for state in REASONS}


def seconds_since_placing(row: OutboxRow) -> float | None:
    """The seconds from the making of the order's id to its event, or None if the id is no UUIDv7."""
    order_id = UUID(row.key)
    if order_id.version != 7:
        return None
    return max(0.0, row.time.timestamp() - (order_id.int >> 80) / 1_000)


def _count_placed(row: OutboxRow) -> None:
    PLACED.inc()


def _counting_ends(state: OrderState) -> Callable[[OutboxRow], None]:
    def count(row: OutboxRow) -> None:
        reason = NO_REASON if state is OrderState.CONFIRMED else json.loads(row.data)["reason"]
        _ENDED[state, reason].inc()
        if (seconds := seconds_since_placing(row)) is not None:
            _AGES[state].observe(seconds, _exemplar(row.traceparent))

    return count


def _exemplar(traceparent: str | None) -> dict[str, str] | None:
    return None if traceparent is None else {"trace_id": traceparent[3:35]}


async def read_gauges(connection: Connection) -> None:
    """Set the gauges of PENDING orders."""
    pending = await db.waiting_orders(connection, LATE_SECONDS)
    PENDING.set(pending.number)
    LATE.set(pending.late)
    OLDEST_PENDING.set(pending.oldest_seconds)


METRICS = BusinessMetrics(
    count={
        OrderPlaced.event_type: _count_placed,
        OrderConfirmed.event_type: _counting_ends(OrderState.CONFIRMED),
        OrderRejected.event_type: _counting_ends(OrderState.REJECTED),
        OrderCancelled.event_type: _counting_ends(OrderState.CANCELLED),
    },
    read=read_gauges,
)
