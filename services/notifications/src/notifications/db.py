"""Tables and queries. Each query is one statement, for a batch of any size."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from chassis.events import Cause, format_amount
from chassis.postgres import Connection, Row
from notifications.domain import Kind, Message, State

metadata = MetaData()

# `due_at` is the end of a lease or of a pause: no job claims a PENDING row before this time. cause_event_id,
# correlation_id and traceparent store the event that caused the message, so that NotificationSent continues its trace.
notifications = Table(
    "notifications",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("reason", Text),
    Column("sold_out", JSONB),  # SKUs that the order was rejected for; NULL if the event named none
    Column("message_id", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("channel", Text),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("last_error", Text),
    Column("due_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("sent_at", DateTime(timezone=True)),
    Column("cause_event_id", Uuid),
    Column("correlation_id", Text, nullable=False),
    Column("traceparent", Text),
    UniqueConstraint("order_id", "kind"),
    CheckConstraint("state IN ('PENDING', 'SENT', 'FAILED')"),
    CheckConstraint("(state = 'SENT') = (sent_at IS NOT NULL AND channel IS NOT NULL)"),
    Index("notifications_due", "due_at", postgresql_where=text("state = 'PENDING'")),
    Index("notifications_failed", "id", postgresql_where=text("state = 'FAILED'")),
)


@dataclass(frozen=True, slots=True)
class NewNotification:
    """A notification to insert. `reason` is the value in the event, or None; `sold_out` are SKUs."""

    id: UUID
    order_id: UUID
    kind: Kind
    customer_id: str
    amount_minor: int
    currency: str
    reason: str | None
    sold_out: Sequence[str]
    message_id: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class OpenWork:
    """The number of PENDING notifications, the age of the oldest one or 0, and the number of FAILED ones."""

    pending: int
    oldest_seconds: float
    failed: int


@dataclass(frozen=True, slots=True)
class SentNotification:
    """A notification that has just become SENT. `cause` is the event that caused the message."""

    id: UUID
    order_id: UUID
    kind: Kind
    channel: str
    sent_at: datetime
    cause: Cause


# Sorted, so that two replicas that insert the same orders do not deadlock.
_INSERT = text(
    """
    INSERT INTO notifications (id, order_id, kind, customer_id, amount_minor, currency, reason, sold_out,
                               message_id, state, cause_event_id, correlation_id, traceparent)
    SELECT id, order_id, kind, customer_id, amount_minor, currency, reason, CAST(sold_out AS jsonb),
           message_id, 'PENDING', cause_event_id, correlation_id, traceparent
    FROM unnest(CAST(:ids AS uuid[]), CAST(:order_ids AS uuid[]), CAST(:kinds AS text[]),
                CAST(:customers AS text[]),
                CAST(:amounts AS bigint[]), CAST(:currencies AS text[]), CAST(:reasons AS text[]),
                CAST(:sold_out AS text[]), CAST(:message_ids AS text[]), CAST(:cause_ids AS uuid[]),
                CAST(:correlations AS text[]), CAST(:traceparents AS text[]))
      AS n (id, order_id, kind, customer_id, amount_minor, currency, reason, sold_out, message_id,
            cause_event_id, correlation_id, traceparent)
    ORDER BY order_id
    ON CONFLICT (order_id, kind) DO NOTHING
    """
)

_CLAIM = text(
    """
    UPDATE notifications
    SET due_at = now() + make_interval(secs => :lease), attempts = attempts + 1
    WHERE id = ANY (ARRAY(
        SELECT id FROM notifications
        WHERE state = 'PENDING' AND due_at <= now()
        ORDER BY due_at, id LIMIT :limit
        FOR UPDATE SKIP LOCKED))
    RETURNING id, order_id, kind, customer_id, message_id, amount_minor, currency, reason,
              sold_out, created_at, attempts
    """
)

# The condition on the state makes it a compare-and-set: if two jobs have sent the same message, one of them publishes.
_MARK_SENT = text(
    """
    UPDATE notifications AS n
    SET state = 'SENT', channel = accepted.channel, sent_at = clock_timestamp(), last_error = NULL
    FROM unnest(CAST(:ids AS uuid[]), CAST(:channels AS text[])) AS accepted (id, channel)
    WHERE n.id = accepted.id AND state = 'PENDING'
    RETURNING n.id, order_id, kind, n.channel, sent_at, cause_event_id, correlation_id, traceparent
    """
)

_POSTPONE = text(
    """
    UPDATE notifications AS n
    SET due_at = now() + make_interval(secs => late.pause), last_error = late.error
    FROM unnest(CAST(:ids AS uuid[]), CAST(:pauses AS float8[]), CAST(:errors AS text[]))
      AS late (id, pause, error)
    WHERE n.id = late.id AND n.state = 'PENDING'
    """
)

_MARK_FAILED = text(
    """
    UPDATE notifications AS n
    SET state = 'FAILED', last_error = failed.error
    FROM unnest(CAST(:ids AS uuid[]), CAST(:errors AS text[])) AS failed (id, error)
    WHERE n.id = failed.id AND n.state = 'PENDING'
    """
)

_RETRY = text(
    """
    UPDATE notifications SET state = 'PENDING', due_at = now(), attempts = 0
    WHERE id = :id AND state = 'FAILED'
    RETURNING id
    """
)

_OPEN_WORK = text(
    """
    SELECT pending, oldest_seconds, failed FROM (
        SELECT count(*) AS pending, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_seconds
        FROM notifications WHERE state = 'PENDING'
    ) AS waiting CROSS JOIN (SELECT count(*) AS failed FROM notifications WHERE state = 'FAILED') AS ended
    """
)


async def open_work(connection: Connection) -> OpenWork:
    """The notifications that are PENDING or FAILED."""
    row = await connection.row(_OPEN_WORK)
    assert row is not None
    return OpenWork(**row)


async def insert_notifications(connection: Connection, new: Sequence[NewNotification]) -> None:
    """Insert notifications as PENDING. If one exists for the order and kind, it is not changed."""
    await connection.execute(
        _INSERT,
        {
            "ids": [n.id for n in new],
            "order_ids": [n.order_id for n in new],
            "kinds": [n.kind.value for n in new],
            "customers": [n.customer_id for n in new],
            "amounts": [n.amount_minor for n in new],
            "currencies": [n.currency for n in new],
            "reasons": [n.reason for n in new],
            "sold_out": [json.dumps(n.sold_out) if n.sold_out else None for n in new],
            "message_ids": [n.message_id for n in new],
            "cause_ids": [n.cause.event_id for n in new],
            "correlations": [n.cause.correlation_id for n in new],
            "traceparents": [n.cause.traceparent for n in new],
        },
    )


async def claim_due(connection: Connection, *, lease: float, limit: int) -> list[Message]:
    """Claim at most `limit` due notifications for `lease` seconds. Rows that another job has locked are skipped.

    Those that failed most often are last, because one that fails again may take seconds.
    """
    rows = await connection.rows(_CLAIM, {"lease": lease, "limit": limit})
    return sorted((_message(row) for row in rows), key=lambda message: (message.attempts, message.id))


async def mark_sent(connection: Connection, channels: Mapping[UUID, str]) -> list[SentNotification]:
    """Make PENDING notifications SENT. `channels` maps an id to the channel. Returns those that this call changed."""
    accepted = {"ids": list(channels), "channels": list(channels.values())}
    rows = await connection.rows(_MARK_SENT, accepted)
    return [_sent(row) for row in rows]


async def postpone(connection: Connection, pauses: Mapping[UUID, tuple[float, str]]) -> None:
    """Make notifications due again later. `pauses` maps an id to (seconds, slug of the error)."""
    await connection.execute(
        _POSTPONE,
        {
            "ids": list(pauses),
            "pauses": [pause for pause, _ in pauses.values()],
            "errors": [error for _, error in pauses.values()],
        },
    )


async def mark_failed(connection: Connection, undeliverable: Mapping[UUID, str]) -> None:
    """Make PENDING notifications FAILED. `undeliverable` maps an id to the slug of the reason."""
    values = {"ids": list(undeliverable), "errors": list(undeliverable.values())}
    await connection.execute(_MARK_FAILED, values)


async def retry(connection: Connection, id: UUID) -> bool:
    """Make a FAILED notification PENDING and due. Returns whether it was FAILED."""
    return await connection.row(_RETRY, {"id": id}) is not None


async def find(connection: Connection, id: UUID) -> dict[str, Any] | None:
    """The notification with this id."""
    row = await connection.row(select(notifications).where(notifications.c.id == id))
    return dict(row) if row else None


async def page(
    connection: Connection,
    *,
    order_id: UUID | None,
    state: State | None,
    before: UUID | None,
    limit: int,
) -> list[dict[str, Any]]:
    """At most `limit` notifications whose id is smaller than `before`, newest first (ids are UUIDv7)."""
    query = select(notifications).order_by(notifications.c.id.desc()).limit(limit)
    if state is State.FAILED:  # a literal, so that PostgreSQL can use the partial index on FAILED rows
        query = query.where(text("state = 'FAILED'"))
    elif state is not None:
        query = query.where(notifications.c.state == state.value)
    if order_id is not None:
        query = query.where(notifications.c.order_id == order_id)
    if before is not None:
        query = query.where(notifications.c.id < before)
    return [dict(row) for row in await connection.rows(query)]


def _message(row: Row) -> Message:
    return Message(
        id=row.id,
        order_id=row.order_id,
        kind=Kind(row.kind),
        customer_id=row.customer_id,
        message_id=row.message_id,
        amount=format_amount(row.amount_minor, row.currency),
        reason=row.reason,
        sold_out=tuple(row.sold_out or ()),
        created_at=row.created_at,
        attempts=row.attempts,
    )


def _sent(row: Row) -> SentNotification:
    cause = Cause(row.cause_event_id, row.correlation_id, row.traceparent)
    return SentNotification(row.id, row.order_id, Kind(row.kind), row.channel, row.sent_at, cause)
