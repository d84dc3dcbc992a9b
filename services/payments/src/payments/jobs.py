"""The jobs of the payments service: charge, refund, and void abandoned payments."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import structlog

from chassis.backoff import Backoff
from chassis.jobs import IntentQueue, Job, Jobs
from chassis.observability.outages import OUTAGES
from chassis.outbox import Database
from chassis.single import Calls
from payments import handlers
from payments.domain import Charge, Charged, Declined, Refund, Refunded
from payments.metrics import CHARGES, REFUNDS, count_call
from payments.processor import Processor, ProcessorUnavailable

PAUSES = Backoff(first=0.4, longest=15)
CHARGE_JOB = "charge-due-payments"
CALL_SHARE = 0.9
"""A call must end within this share of its lease."""
log = structlog.get_logger()
Work = TypeVar("Work", Charge, Refund)
Outcome = TypeVar("Outcome", Charged | Declined, Refunded)


def jobs(
    processor: Processor, *, concurrency: int = 64, lease_seconds: float = 10, abandoned_seconds: float = 3600
) -> Jobs:
    """The jobs. The job of charges makes at most `concurrency` calls at once, and so does the job of refunds.

    `abandoned_seconds` is the time after an order's deadline at which its payment is voided if no stock was reserved.
    It is also the time after which a payment is voided whose order has not arrived.
    """
    charges = charge_queue(concurrency, lease_seconds)
    refunds = refund_queue(concurrency, lease_seconds)
    return {
        CHARGE_JOB: Job(
            partial(charge_due_payments, processor=processor, queue=charges),
            interval=1.0,
            full_batch=None,  # the queue itself repeats until no payment is due
            wake_event=charges.more_due,
        ),
        "refund-due-payments": Job(
            partial(refund_due_payments, processor=processor, queue=refunds),
            interval=2.0,
            full_batch=None,
            wake_event=refunds.more_due,
        ),
        "void-abandoned-payments": Job(
            partial(void_abandoned_payments, seconds=abandoned_seconds), interval=60.0
        ),
    }


def charges_of_the_saga(
    processor: Processor, *, concurrency: int = 64, lease_seconds: float = 10
) -> Calls[Charge, Charged | Declined]:
    """The charges that a saga in one transaction makes itself. The job makes those of sagas that did not commit."""
    return Calls(
        job=CHARGE_JOB,
        queue=charge_queue(concurrency, lease_seconds),
        call=partial(_call_and_log, processor.charge, CHARGES, "charge.unanswered"),
        key=lambda charge: str(charge.order_id),
    )


def charge_queue(concurrency: int, lease_seconds: float) -> IntentQueue[Charge, Charged | Declined]:
    """The queue of due charges."""
    return IntentQueue(
        name=CHARGES,
        claim=handlers.claim_charges,
        record=handlers.record_charges,
        postpone=handlers.postpone_charges,
        **_pace(concurrency, lease_seconds),
    )


def refund_queue(concurrency: int, lease_seconds: float) -> IntentQueue[Refund, Refunded]:
    """The queue of due refunds."""
    return IntentQueue(
        name=REFUNDS,
        claim=handlers.claim_refunds,
        record=handlers.record_refunds,
        postpone=handlers.postpone_refunds,
        **_pace(concurrency, lease_seconds),
    )


def _pace(concurrency: int, lease_seconds: float) -> dict[str, Any]:
    """Arguments of a queue: how many intents it claims and calls at once, the seconds of a lease and of a call, and the
    pauses after calls that failed.
    """
    return {
        "max_claimed": concurrency,
        "concurrency": concurrency,
        "lease_seconds": lease_seconds,
        "call_seconds": lease_seconds * CALL_SHARE,
        "pauses": PAUSES,
    }


async def charge_due_payments(
    database: Database, *, processor: Processor, queue: IntentQueue[Charge, Charged | Declined]
) -> int:
    """Charge all due payments. Returns the number of claimed payments."""
    return await _process_due(database, queue, processor.charge, "charge.unanswered")


async def refund_due_payments(
    database: Database, *, processor: Processor, queue: IntentQueue[Refund, Refunded]
) -> int:
    """Make all due refunds. Returns the number of claimed refunds."""
    return await _process_due(database, queue, processor.refund, "refund.unanswered")


async def void_abandoned_payments(database: Database, *, seconds: float) -> int:
    """Void payments without reserved stock `seconds` after their order's deadline, and payments that have waited for an
    order for `seconds`. Returns how many.
    """
    async with database.transaction() as tx:
        return await handlers.void_abandoned_payments(tx, seconds)


async def _process_due(
    database: Database,
    queue: IntentQueue[Work, Outcome],
    call: Callable[[Work], Awaitable[Outcome]],
    log_event: str,
) -> int:
    """Call the processor for all due intents. Count the calls, and log `log_event` for one without a known result."""
    counts = await queue.process_due(database, partial(_call_and_log, call, queue.name, log_event))
    return counts.claimed


async def _call_and_log(
    call: Callable[[Work], Awaitable[Outcome]], queue: str, log_event: str, work: Work
) -> Outcome:
    try:
        answer = await call(work)
    except ProcessorUnavailable as error:
        count_call(queue, None)
        if not OUTAGES.is_away(ProcessorUnavailable.dependency):  # an outage has log events of its own
            log.warning(log_event, order_id=str(work.order_id), attempts=work.attempts, error=repr(error))
        raise
    count_call(queue, answer)
    return answer
