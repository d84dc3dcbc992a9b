"""One function per use case. None of them commits, and none of them knows HTTP, Kafka or the processor."""

import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.events import Batch, new_id
from chassis.outbox import Transaction
from chassis.postgres import Connection
from payments import db
from payments.domain import (
    Charge,
    Charged,
    Declined,
    NoAnswer,
    Refund,
    Refunded,
    State,
    UnknownPayment,
    pause_seconds,
)
from payments.events import (
    OrderCancelled,
    OrderPlaced,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    StockReserved,
)

EXPIRE_BATCH = 500


async def open_payment(tx: Transaction, events: Batch[OrderPlaced]) -> None:
    """Learn what to charge. With the stock reserved already, the payment is due."""
    if await db.open_payments(tx.connection, [(new_id(), event) for event in events]):
        tx.wake("charge-due-payments")


async def note_stock_reserved(tx: Transaction, events: Batch[StockReserved]) -> None:
    """Learn that the stock is reserved. With the amount known already, the payment is due.

    Due is a durable intent: the charge itself is made outside of any transaction, by the job `charge-due-payments`.
    """
    if await db.note_stock(tx.connection, [(new_id(), event) for event in events]):
        tx.wake("charge-due-payments")


async def refund_payment(tx: Transaction, events: Batch[OrderCancelled]) -> None:
    """Undo the payment of a cancelled order: stop it, or intend to give the money back.

    An order not heard of yet leaves a tombstone, so that its late facts charge nobody.
    """
    await _give_back(tx, await db.cancel_payments(tx.connection, [(new_id(), event) for event in events]))


async def claim_charges(tx: Transaction, room: int, lease_seconds: float) -> list[Charge]:
    """Take at most `room` due payments, to be asked for after the commit. A lease ends by itself."""
    return await db.claim_charges(tx.connection, room, lease_seconds) if room else []


async def claim_refunds(tx: Transaction, room: int, lease_seconds: float) -> list[Refund]:
    """Take at most `room` due refunds, like `claim_charges`."""
    return await db.claim_refunds(tx.connection, room, lease_seconds) if room else []


async def record_charges(
    tx: Transaction, answers: Sequence[tuple[Charge, Charged | Declined | NoAnswer]]
) -> None:
    """Record and publish what the processor said. Where the order was cancelled meanwhile, give back."""
    settled = [_columns(charge, answer) for charge, answer in answers if not isinstance(answer, NoAnswer)]
    pauses = [_pause(charge) for charge, answer in answers if isinstance(answer, NoAnswer)]
    if pauses:
        await db.postpone_charges(tx.connection, pauses)
    if not settled:
        return
    payments = await db.settle_charges(tx.connection, settled)
    for payment in payments:
        tx.publish(_event(payment), cause=payment.cause)
    await _give_back(tx, [p.order_id for p in payments if p.state is State.CAPTURED and p.cancelled])


async def record_refunds(tx: Transaction, answers: Sequence[tuple[Refund, Refunded | NoAnswer]]) -> None:
    """Record which refunds were made, and publish them."""
    pauses = [_pause(refund) for refund, answer in answers if isinstance(answer, NoAnswer)]
    if pauses:
        await db.postpone_refunds(tx.connection, pauses)
    order_ids = [refund.order_id for refund, answer in answers if isinstance(answer, Refunded)]
    for payment in await db.settle_refunds(tx.connection, order_ids) if order_ids else []:
        assert payment.refund_id is not None
        refunded = PaymentRefunded(**_common(payment), refund_id=payment.refund_id, refunded_at=payment.at)
        tx.publish(refunded, cause=payment.cause)


async def expire_unpaid_payments(tx: Transaction, seconds: float) -> int:
    """Void what was never due though its order's deadline passed `seconds` ago. Returns how many."""
    return await db.void_unpaid_payments(tx.connection, seconds, EXPIRE_BATCH)


async def read_payment(connection: Connection, order_id: UUID) -> dict[str, Any]:
    """The payment of an order with its refund's columns. Raises UnknownPayment."""
    row = await db.find_payment(connection, order_id)
    if row is None:
        raise UnknownPayment(order_id)
    return dict(row)


async def _give_back(tx: Transaction, order_ids: Sequence[UUID]) -> None:
    if order_ids:
        await db.add_refunds(tx.connection, order_ids, [new_id() for _ in order_ids])
        tx.wake("refund-due-payments")


def _columns(charge: Charge, answer: Charged | Declined) -> tuple[UUID, str | None, str | None]:
    if isinstance(answer, Charged):
        return charge.order_id, answer.charge_id, None
    return charge.order_id, None, answer.reason.value


def _pause(work: Charge | Refund) -> db.Pause:
    return work.order_id, work.attempts, pause_seconds(work.attempts, random.random())


def _event(payment: db.Settled) -> PaymentCaptured | PaymentDeclined:
    if payment.reason is None:
        return PaymentCaptured(**_common(payment), captured_at=payment.at)
    return PaymentDeclined(**_common(payment), reason=payment.reason, declined_at=payment.at)


def _common(payment: db.Settled) -> dict[str, Any]:
    return {
        "order_id": payment.order_id,
        "payment_id": payment.payment_id,
        "version": payment.version,
        "customer_id": payment.customer_id,
        "amount": payment.amount,
    }
