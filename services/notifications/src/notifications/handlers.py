"""The use cases of notifications, one function each. They never commit."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from chassis.events import Batch, Envelope, Money, new_id
from chassis.jobs import PostponedIntent
from chassis.outbox import Transaction
from chassis.postgres import Connection
from notifications import db, domain
from notifications.domain import Delivered, GivenUp, Kind, Letter, State, Taken
from notifications.events import (
    NotificationSent,
    OrderCancelled,
    OrderConfirmed,
    OrderRejected,
    PaymentRefunded,
)

LETTERS_AT_ONCE = 100


async def announce_confirmation(tx: Transaction, events: Batch[OrderConfirmed]) -> None:
    """Tell customers that their orders are confirmed."""
    await _announce(tx, (_about(e, Kind.CONFIRMED, e.data.total, None) for e in events))


async def announce_rejection(tx: Transaction, events: Batch[OrderRejected]) -> None:
    """Tell customers that their orders were rejected, with the reason."""
    await _announce(tx, (_about(e, Kind.REJECTED, e.data.total, e.data.reason) for e in events))


async def announce_cancellation(tx: Transaction, events: Batch[OrderCancelled]) -> None:
    """Tell customers that their orders were cancelled, with the reason."""
    await _announce(tx, (_about(e, Kind.CANCELLED, e.data.total, e.data.reason) for e in events))


async def announce_refund(tx: Transaction, events: Batch[PaymentRefunded]) -> None:
    """Tell customers that their payment was refunded."""
    await _announce(tx, (_about(e, Kind.REFUNDED, e.data.amount, None) for e in events))


async def claim_letters(tx: Transaction, most: int, lease_seconds: float) -> list[Letter]:
    """Claim `most` due letters or fewer. No other job gets them before the lease ends."""
    return await db.claim_due(tx.connection, lease=lease_seconds, most=most)


async def record_delivery(tx: Transaction, ended: Sequence[tuple[Letter, Delivered]]) -> None:
    """Record the end of each letter: SENT by a channel, or FAILED for a reason."""
    channels: dict[UUID, str] = {}
    reasons: dict[UUID, str] = {}
    for letter, outcome in ended:
        match outcome:
            case Taken(channel):
                channels[letter.id] = channel
            case GivenUp(reason):
                reasons[letter.id] = reason
    if channels:
        for done in await db.mark_sent(tx.connection, channels):
            tx.publish(_notification_sent(done), cause=done.cause)
    if reasons:
        await db.give_up(tx.connection, reasons)


async def postpone_letters(tx: Transaction, letters: Sequence[PostponedIntent[Letter]]) -> None:
    """Make letters that were not taken due again later."""
    await db.postpone(tx.connection, {each.item.id: (each.seconds, each.error) for each in letters})


async def oldest_letter_seconds(connection: Connection) -> float:
    """The age of the oldest letter that is not sent, in seconds, or 0."""
    return await db.oldest_letter_seconds(connection)


async def retry_notification(tx: Transaction, id: UUID) -> dict[str, Any]:
    """Send a FAILED notification again, now. Raises UnknownNotification or NotFailed."""
    is_due = await db.retry(tx.connection, id)
    found = await db.find(tx.connection, id)
    if found is None:
        raise domain.UnknownNotification(id)
    if not is_due:
        raise domain.NotFailed(id)
    tx.wake("deliver")
    return found


async def count_failed(connection: Connection) -> int:
    """The number of FAILED notifications."""
    return await db.count_failed(connection)


async def list_notifications(
    connection: Connection, *, order_id: UUID | None, state: State | None, before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """At most `limit` notifications, newest first: all, those of one order, or those in one state."""
    return await db.page(connection, order_id=order_id, state=state, before=before, limit=limit)


async def _announce(tx: Transaction, announcements: Iterable[db.Announcement]) -> None:
    await db.insert_notifications(tx.connection, list(announcements))
    tx.wake("deliver")


def _about(
    event: Envelope[OrderConfirmed]
    | Envelope[OrderRejected]
    | Envelope[OrderCancelled]
    | Envelope[PaymentRefunded],
    kind: Kind,
    amount: Money,
    reason: str | None,
) -> db.Announcement:
    id = new_id()
    return db.Announcement(
        id=id,
        order_id=event.data.order_id,
        kind=kind,
        customer_id=event.data.customer_id,
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        reason=reason,
        message_id=domain.message_id(id),
        cause=event.cause,
    )


def _notification_sent(done: db.Sent) -> NotificationSent:
    return NotificationSent(
        order_id=done.order_id,
        notification_id=done.id,
        version=1,
        kind=done.kind,
        channel=done.channel,
        sent_at=done.sent_at,
    )
