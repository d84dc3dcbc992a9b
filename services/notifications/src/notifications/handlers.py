"""The use cases of the notifications service, one function each. They never commit."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from chassis.events import Batch, Envelope, Money, new_id
from chassis.jobs import PostponedIntent
from chassis.outbox import Transaction
from chassis.postgres import Connection
from notifications import db, domain
from notifications.domain import Accepted, Kind, Message, Outcome, Rejected, State
from notifications.events import (
    NotificationSent,
    OrderCancelled,
    OrderConfirmed,
    OrderRejected,
    PaymentRefunded,
    PaymentRefundedV2,
)

MESSAGES_AT_ONCE = 100
"""Maximum number of messages that one run of the job claims."""


async def announce_confirmation(tx: Transaction, events: Batch[OrderConfirmed]) -> None:
    """Tell customers that their orders are confirmed."""
    await _announce(tx, (_about(e, Kind.CONFIRMED, e.data.total, None) for e in events))


async def announce_rejection(tx: Transaction, events: Batch[OrderRejected]) -> None:
    """Tell customers that their orders were rejected, with the reason."""
    await _announce(
        tx, (_about(e, Kind.REJECTED, e.data.total, e.data.reason, e.data.sold_out) for e in events)
    )


async def announce_cancellation(tx: Transaction, events: Batch[OrderCancelled]) -> None:
    """Tell customers that their orders were cancelled, with the reason."""
    await _announce(tx, (_about(e, Kind.CANCELLED, e.data.total, e.data.reason) for e in events))


async def announce_refund(tx: Transaction, events: Batch[PaymentRefunded]) -> None:
    """Tell customers that their payment was refunded. If the second version of the event came, nothing changes."""
    await _announce(tx, (_about(e, Kind.REFUNDED, e.data.amount, None) for e in events))


async def announce_refund_with_reason(tx: Transaction, events: Batch[PaymentRefundedV2]) -> None:
    """Tell customers that their payment was refunded, with the reason.

    Payments sends this version first. The first version, which follows, then finds the notification.
    """
    await _announce(tx, (_about(e, Kind.REFUNDED, e.data.refunded, e.data.reason) for e in events))


async def claim_messages(tx: Transaction, limit: int, lease_seconds: float) -> list[Message]:
    """Claim up to `limit` due messages. No other job gets them before the lease ends."""
    return await db.claim_due(tx.connection, lease=lease_seconds, limit=limit)


async def record_delivery(tx: Transaction, ended: Sequence[tuple[Message, Outcome]]) -> None:
    """Record the outcome of each message: SENT by a channel, or FAILED for a reason.

    Publish `NotificationSent` for each SENT message.
    """
    channels: dict[UUID, str] = {}
    reasons: dict[UUID, str] = {}
    for message, outcome in ended:
        match outcome:
            case Accepted(channel):
                channels[message.id] = channel
            case Rejected(reason):
                reasons[message.id] = reason
    if channels:
        for sent in await db.mark_sent(tx.connection, channels):
            tx.publish(_notification_sent(sent), cause=sent.cause)
    if reasons:
        await db.mark_failed(tx.connection, reasons)


async def postpone_messages(tx: Transaction, postponed: Sequence[PostponedIntent[Message]]) -> None:
    """Make messages that were not accepted due again later."""
    await db.postpone(tx.connection, {each.item.id: (each.seconds, each.error) for each in postponed})


async def retry_notification(tx: Transaction, id: UUID) -> dict[str, Any]:
    """Make a FAILED notification PENDING and due now. Raises UnknownNotification or NotFailed."""
    is_due = await db.retry(tx.connection, id)
    found = await db.find(tx.connection, id)
    if found is None:
        raise domain.UnknownNotification(id)
    if not is_due:
        raise domain.NotFailed(id)
    tx.wake("deliver")
    return found


async def list_notifications(
    connection: Connection, *, order_id: UUID | None, state: State | None, before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """At most `limit` notifications, newest first. `order_id` and `state` select some of them, `before` those with a
    smaller id.
    """
    return await db.page(connection, order_id=order_id, state=state, before=before, limit=limit)


async def _announce(tx: Transaction, new: Iterable[db.NewNotification]) -> None:
    await db.insert_notifications(tx.connection, list(new))
    tx.wake("deliver")


def _about(
    event: Envelope[OrderConfirmed]
    | Envelope[OrderRejected]
    | Envelope[OrderCancelled]
    | Envelope[PaymentRefunded]
    | Envelope[PaymentRefundedV2],
    kind: Kind,
    amount: Money,
    reason: str | None,
    sold_out: Sequence[str] = (),
) -> db.NewNotification:
    id = new_id()
    return db.NewNotification(
        id=id,
        order_id=event.data.order_id,
        kind=kind,
        customer_id=event.data.customer_id,
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        reason=reason,
        sold_out=tuple(sold_out),
        message_id=domain.message_id(id),
        cause=event.cause,
    )


def _notification_sent(sent: db.SentNotification) -> NotificationSent:
    return NotificationSent(
        order_id=sent.order_id,
        notification_id=sent.id,
        version=1,
        kind=sent.kind,
        channel=sent.channel,
        sent_at=sent.sent_at,
    )
