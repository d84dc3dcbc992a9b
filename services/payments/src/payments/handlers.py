"""The use cases of the payments service, one function each.

They never commit, and know neither HTTP, Kafka nor the processor.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.events import Batch, new_id
from chassis.jobs import PostponedIntent
from chassis.outbox import Transaction
from chassis.postgres import Connection
from payments import db
from payments.domain import (
    NOT_RECORDED,
    Charge,
    Charged,
    Declined,
    Refund,
    Refunded,
    State,
    UnknownPayment,
    payment_id_of,
)
from payments.events import (
    OrderCancelled,
    OrderPlaced,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentRefundedV2,
    StockReserved,
)

MAX_VOIDED_AT_ONCE = 500
"""Maximum number of abandoned payments that one transaction voids."""


async def open_payment(tx: Transaction, events: Batch[OrderPlaced]) -> None:
    """Store amount, card token and deadline. If the stock is reserved already, the payment becomes due."""
    if await db.open_payments(tx.connection, [(payment_id_of(e.data.order_id), e) for e in events]):
        tx.wake("charge-due-payments")


async def note_stock_reserved(tx: Transaction, events: Batch[StockReserved]) -> None:
    """Store that the stock is reserved. If the amount is known already, the payment becomes due.

    A payment with a `due_at` (DUE, CAPTURING or CANCELLING) is a durable intent. The job `charge-due-payments` makes
    the charge, outside of any transaction.
    """
    if await db.note_stock(tx.connection, [(payment_id_of(e.data.order_id), e) for e in events]):
        tx.wake("charge-due-payments")


async def cancel_payment(tx: Transaction, events: Batch[OrderCancelled]) -> None:
    """Cancel the payments of cancelled orders.

    If the processor was never called, the payment becomes VOIDED. If it was called and its result is not known,
    CANCELLING. If it made the charge, a due refund is written. If it declined, nothing changes. An unknown order gets a
    tombstone, so that its later events cause no charge.
    """
    identified = [(payment_id_of(event.data.order_id), event) for event in events]
    await _add_refunds(tx, await db.cancel_payments(tx.connection, identified))


async def claim_charges(tx: Transaction, limit: int, lease_seconds: float) -> list[Charge]:
    """Claim up to `limit` due payments, to be charged after the commit. The lease ends by itself."""
    return await db.claim_charges(tx.connection, limit, lease_seconds)


async def claim_refunds(tx: Transaction, limit: int, lease_seconds: float) -> list[Refund]:
    """Claim up to `limit` due refunds, like `claim_charges`."""
    return await db.claim_refunds(tx.connection, limit, lease_seconds)


async def record_charges(tx: Transaction, answers: Sequence[tuple[Charge, Charged | Declined]]) -> None:
    """Record and publish the processor's answers. If a charged order was cancelled meanwhile, write a due refund."""
    payments = await db.settle_charges(
        tx.connection, [_columns(charge, answer) for charge, answer in answers]
    )
    for payment in payments:
        tx.publish(_event(payment), cause=payment.cause)
    await _add_refunds(tx, [p.order_id for p in payments if p.state is State.CAPTURED and p.cancelled])


async def record_refunds(tx: Transaction, answers: Sequence[tuple[Refund, Refunded]]) -> None:
    """Record the refunds that were made, and publish each in both versions of its event.

    A reader of both takes the first that comes, so the second version, which has more, is published first.
    """
    for payment in await db.settle_refunds(tx.connection, [refund.order_id for refund, _ in answers]):
        assert payment.refund_id is not None
        refunded = {"refund_id": payment.refund_id, "refunded_at": payment.at}
        tx.publish(_refunded_v2(payment, refunded), cause=payment.cause)
        tx.publish(PaymentRefunded(**_common(payment), **refunded), cause=payment.cause)


async def postpone_charges(tx: Transaction, postponed: Sequence[PostponedIntent[Charge]]) -> None:
    """Make these charges due again later, because the processor's result is not known."""
    await db.postpone_charges(tx.connection, [_pause(each) for each in postponed])


async def postpone_refunds(tx: Transaction, postponed: Sequence[PostponedIntent[Refund]]) -> None:
    """Make these refunds due again later, like `postpone_charges`."""
    await db.postpone_refunds(tx.connection, [_pause(each) for each in postponed])


async def void_abandoned_payments(tx: Transaction, seconds: float) -> int:
    """Void payments that are OPENED `seconds` after their order's deadline, or AWAITING for so long.

    Returns how many.
    """
    return await db.void_abandoned_payments(tx.connection, seconds, MAX_VOIDED_AT_ONCE)


async def read_payment(connection: Connection, order_id: UUID) -> dict[str, Any]:
    """The payment of an order with the columns of its refund. Raises UnknownPayment."""
    row = await db.find_payment(connection, order_id)
    if row is None:
        raise UnknownPayment(order_id)
    return dict(row)


async def _add_refunds(tx: Transaction, order_ids: Sequence[UUID]) -> None:
    if order_ids:
        await db.add_refunds(tx.connection, order_ids, [new_id() for _ in order_ids])
        tx.wake("refund-due-payments")


def _columns(charge: Charge, answer: Charged | Declined) -> tuple[UUID, str | None, str | None]:
    if isinstance(answer, Charged):
        return charge.order_id, answer.charge_id, None
    return charge.order_id, None, answer.reason.value


def _pause(postponed: PostponedIntent[Charge] | PostponedIntent[Refund]) -> db.Pause:
    return postponed.item.order_id, postponed.item.attempts, postponed.seconds


def _event(payment: db.Settled) -> PaymentCaptured | PaymentDeclined:
    if payment.reason is None:
        return PaymentCaptured(**_common(payment), captured_at=payment.at)
    return PaymentDeclined(**_common(payment), reason=payment.reason, declined_at=payment.at)


def _refunded_v2(payment: db.Settled, refunded: dict[str, Any]) -> PaymentRefundedV2:
    common = _common(payment)
    amount = common.pop("amount")
    reason = payment.cancel_reason or NOT_RECORDED
    return PaymentRefundedV2(**common, **refunded, captured=amount, refunded=amount, reason=reason)


def _common(payment: db.Settled) -> dict[str, Any]:
    return {
        "order_id": payment.order_id,
        "payment_id": payment.payment_id,
        "version": payment.version,
        "customer_id": payment.customer_id,
        "amount": payment.amount,
    }
