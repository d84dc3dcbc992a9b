"""What payments does by the clock: it charges, refunds, and voids payments that were never due."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from math import inf
from typing import TypeVar

import structlog

from chassis.jobs import Job, Jobs
from chassis.observability.outages import OUTAGES
from chassis.outbox import Database, Transaction
from payments import handlers
from payments.domain import Charge, Charged, Declined, NoAnswer, Refund, Refunded
from payments.processor import Processor, ProcessorUnavailable

TOGETHER_SECONDS = 0.01
"""Answers that come within this time of the question are recorded together."""
LOOK_AGAIN_SECONDS = 0.1
"""With only slow answers under way, new work is still looked for."""
log = structlog.get_logger()
Work = TypeVar("Work")
Answer = TypeVar("Answer")


def jobs(
    processor: Processor, *, concurrency: int = 64, lease_seconds: float = 10, forget_seconds: float = 3600
) -> Jobs:
    """The jobs. `concurrency` is how many requests to the processor each has under way at once."""
    return {
        "charge-due-payments": Job(
            partial(
                charge_due_payments, processor=processor, concurrency=concurrency, lease_seconds=lease_seconds
            ),
            interval=1.0,
            batch_limit=inf,  # it goes on by itself until nothing is left
        ),
        "refund-due-payments": Job(
            partial(
                refund_due_payments, processor=processor, concurrency=concurrency, lease_seconds=lease_seconds
            ),
            interval=2.0,
            batch_limit=inf,
        ),
        "expire-unpaid-payments": Job(partial(expire_unpaid_payments, seconds=forget_seconds), interval=60.0),
    }


async def charge_due_payments(
    db: Database, *, processor: Processor, concurrency: int, lease_seconds: float
) -> int:
    """Charge all that is due. Returns how many payments were asked for."""

    async def ask(charge: Charge) -> tuple[Charge, Charged | Declined | NoAnswer]:
        try:
            return charge, await processor.charge(charge)
        except (ProcessorUnavailable, asyncio.CancelledError) as error:
            _log_unanswered("charge.unanswered", charge, error)
            return charge, NoAnswer()

    return await work_off(
        db,
        partial(handlers.claim_charges, lease_seconds=lease_seconds),
        ask,
        handlers.record_charges,
        concurrency,
    )


def _log_unanswered(event: str, work: Charge | Refund, error: BaseException) -> None:
    if not OUTAGES.is_away(ProcessorUnavailable.dependency):  # an outage has lines of its own
        log.warning(event, order_id=str(work.order_id), attempts=work.attempts, error=repr(error))


async def refund_due_payments(
    db: Database, *, processor: Processor, concurrency: int, lease_seconds: float
) -> int:
    """Give back all that is due. Returns how many refunds were asked for."""

    async def ask(refund: Refund) -> tuple[Refund, Refunded | NoAnswer]:
        try:
            return refund, await processor.refund(refund)
        except (ProcessorUnavailable, asyncio.CancelledError) as error:
            _log_unanswered("refund.unanswered", refund, error)
            return refund, NoAnswer()

    return await work_off(
        db,
        partial(handlers.claim_refunds, lease_seconds=lease_seconds),
        ask,
        handlers.record_refunds,
        concurrency,
    )


async def expire_unpaid_payments(db: Database, *, seconds: float) -> int:
    """Void payments whose orders ended long ago without one. Returns how many."""
    async with db.transaction() as tx:
        return await handlers.expire_unpaid_payments(tx, seconds)


async def work_off(
    db: Database,
    claim: Callable[[Transaction, int], Awaitable[Sequence[Work]]],
    ask: Callable[[Work], Awaitable[Answer]],
    record: Callable[[Transaction, Sequence[Answer]], Awaitable[None]],
    concurrency: int,
) -> int:
    """Claim, ask outside of any transaction, record; until nothing is left. Returns how many were asked.

    A slow answer holds up nobody: each round records those that have come, and claims into the room
    that they left.
    A crash between asking and recording loses nothing: the lease passes, and the same key is asked again.
    """
    asking: set[asyncio.Task[Answer]] = set()
    answers: list[Answer] = []
    asked = 0
    try:
        while True:
            async with db.transaction() as tx:
                await record(tx, answers)
                claimed = await claim(tx, concurrency - len(asking))
            asked += len(claimed)
            asking |= {asyncio.ensure_future(ask(work)) for work in claimed}
            if not asking:
                return asked
            answered, asking = await _some_of(asking)
            answers = [task.result() for task in answered]
    finally:
        if (
            asking
        ):  # cut off by the process's end: asked again by whoever comes next, without waiting for the lease
            for task in asking:
                task.cancel()
            async with db.transaction() as tx:
                await record(tx, await asyncio.gather(*asking))


async def _some_of(
    asking: set[asyncio.Task[Answer]],
) -> tuple[set[asyncio.Task[Answer]], set[asyncio.Task[Answer]]]:
    """Wait for answers: those that are here, and those still to come."""
    answered, waiting = await asyncio.wait(asking, timeout=TOGETHER_SECONDS)
    if answered:
        return answered, waiting
    return await asyncio.wait(asking, timeout=LOOK_AGAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
