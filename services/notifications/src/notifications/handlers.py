"""One function per use case. None of them commits."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis.events import Batch, Envelope, Money, new_id
from chassis.outbox import Transaction
from chassis.postgres import Connection
from notifications import db, domain
from notifications.domain import Kind, Letter, State
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
    """Tell customers that their orders could not be accepted, and why."""
    await _announce(tx, (_about(e, Kind.REJECTED, e.data.total, e.data.reason) for e in events))


async def announce_cancellation(tx: Transaction, events: Batch[OrderCancelled]) -> None:
    """Tell customers that their orders were called off, and why."""
    await _announce(tx, (_about(e, Kind.CANCELLED, e.data.total, e.data.reason) for e in events))


async def announce_refund(tx: Transaction, events: Batch[PaymentRefunded]) -> None:
    """Tell customers that their money went back."""
    await _announce(tx, (_about(e, Kind.REFUNDED, e.data.amount, None) for e in events))


async def claim_letters(tx: Transaction) -> list[Letter]:
    """Take the letters that are due: they are this deliverer's until the lease is over."""
    return await db.claim_due(tx.connection, lease=domain.LEASE_SECONDS, most=LETTERS_AT_ONCE)


async def record_delivery(
    tx: Transaction, channel: str, sent: Sequence[Letter], failed: Mapping[UUID, tuple[Letter, str]]
) -> None:
    """Write down which letters `channel` took, and let the others rest.

    `failed` maps an id to (letter, slug).
    """
    if sent:
        for done in await db.mark_sent(tx.connection, [letter.id for letter in sent], channel):
            tx.publish(_notification_sent(done), cause=done.cause)
    if failed:
        pauses = {
            id: (domain.pause_before_retry(letter.attempts), slug) for id, (letter, slug) in failed.items()
        }
        await db.postpone(tx.connection, pauses)


async def give_up(tx: Transaction, undeliverable: Mapping[UUID, str]) -> None:
    """Write down which letters no channel will ever take: id → slug of the reason. They end as FAILED."""
    if undeliverable:
        await db.give_up(tx.connection, undeliverable)


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
    """How many notifications are FAILED."""
    return await db.count_failed(connection)


async def list_notifications(
    connection: Connection, *, order_id: UUID | None, state: State | None, before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Up to `limit` notifications, newest first; of one order or in one state, if it is named."""
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
