"""The business metrics of payments: results by the events that were committed, and the calls of the card processor."""

from prometheus_client import Counter

from chassis.observability.metrics import INTENTS_OLDEST, INTENTS_OPEN
from chassis.outbox import BusinessMetrics, OutboxRow
from chassis.postgres import Connection
from payments import db
from payments.domain import CARD_PROCESSOR, Charged, Declined, Refunded
from payments.events import PaymentCaptured, PaymentDeclined, PaymentRefundedV2

CHARGES, REFUNDS = "charges", "refunds"
"""The names of the two queues."""

PAYMENTS = Counter("shopfloor_payments_total", "Payments by result", ["result"])
CALLS = Counter(
    "shopfloor_processor_calls_total",
    "Calls of the card processor, by the answer; unavailable: its result is not known",
    ["call", "answer"],
)
UNAVAILABLE = "unavailable"
RESULTS = {
    PaymentCaptured.event_type: PAYMENTS.labels("captured"),
    PaymentDeclined.event_type: PAYMENTS.labels("declined"),
    PaymentRefundedV2.event_type: PAYMENTS.labels("refunded"),
}
ANSWERS = {Charged: "charged", Declined: "declined", Refunded: "refunded"}
_CALLS = {
    (call, answer): CALLS.labels(call, answer)
    for call, answers in ((CHARGES, ("charged", "declined")), (REFUNDS, ("refunded",)))
    for answer in (*answers, UNAVAILABLE)
}


def count_call(queue: str, answer: Charged | Declined | Refunded | None) -> None:
    """Count a call for an intent of this queue. None: its result is not known."""
    _CALLS[queue, UNAVAILABLE if answer is None else ANSWERS[type(answer)]].inc()


def _count_result(row: OutboxRow) -> None:
    RESULTS[row.type].inc()


async def read_gauges(connection: Connection) -> None:
    """Set the gauges of charges and refunds that are not done."""
    work = await db.open_work(connection)
    INTENTS_OPEN.labels(CHARGES).set(work.charges)
    INTENTS_OLDEST.labels(CHARGES).set(work.oldest_charge_seconds)
    INTENTS_OPEN.labels(REFUNDS).set(work.refunds)
    INTENTS_OLDEST.labels(REFUNDS).set(work.oldest_refund_seconds)


METRICS = BusinessMetrics(
    count=dict.fromkeys(RESULTS, _count_result),
    read=read_gauges,
    queues=(CHARGES, REFUNDS),
    dependencies=(CARD_PROCESSOR,),
)
