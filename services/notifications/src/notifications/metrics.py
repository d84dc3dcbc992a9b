"""The business metrics of notifications: messages that were sent, that wait, and that failed for good."""

from prometheus_client import Counter

from chassis.observability.metrics import INTENTS_OLDEST, INTENTS_OPEN, ITEMS_FAILED
from chassis.outbox import BusinessMetrics, OutboxRow
from chassis.postgres import Connection
from notifications import db
from notifications.events import NotificationSent

LETTERS = "letters"
"""The name of the queue. It is a label of metrics, which alerts use."""
SENT = Counter("shopfloor_notifications_sent_total", "Messages to customers that a channel has accepted")
_FAILED = ITEMS_FAILED.labels("notification")


def _count_sent(row: OutboxRow) -> None:
    SENT.inc()


async def read_gauges(connection: Connection) -> None:
    """Set the gauges of PENDING and of FAILED messages."""
    work = await db.open_work(connection)
    INTENTS_OPEN.labels(LETTERS).set(work.pending)
    INTENTS_OLDEST.labels(LETTERS).set(work.oldest_seconds)
    _FAILED.set(work.failed)


def metrics_of(*dependencies: str) -> BusinessMetrics:
    """The metrics of a service that uses these outside systems."""
    return BusinessMetrics(
        count={NotificationSent.event_type: _count_sent},
        read=read_gauges,
        queues=(LETTERS,),
        dependencies=dependencies,
    )
