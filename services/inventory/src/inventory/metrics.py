"""The business metrics of inventory: what became of the stock that orders asked for, by events that were committed."""

from prometheus_client import Counter

from chassis.outbox import BusinessMetrics, OutboxRow
from inventory.events import StockCommitted, StockRejected, StockReleased, StockReserved

RESERVATIONS = Counter(
    "shopfloor_reservations_total", "Steps of reservations: reserved, rejected, sold or released", ["step"]
)
STEPS = {
    StockReserved.event_type: RESERVATIONS.labels("reserved"),
    StockRejected.event_type: RESERVATIONS.labels("rejected"),
    StockCommitted.event_type: RESERVATIONS.labels("sold"),
    StockReleased.event_type: RESERVATIONS.labels("released"),
}


def _count_step(row: OutboxRow) -> None:
    STEPS[row.type].inc()


METRICS = BusinessMetrics(count=dict.fromkeys(STEPS, _count_step))
