"""Events as the inbox gives them to a handler, and as a transaction is going to publish them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from chassis.events import Cause, ConsumedEvent, Envelope, PublishedEvent, new_id
from chassis.outbox import Transaction

E = TypeVar("E", bound=ConsumedEvent)


def received(
    event: E,
    *,
    id: UUID | None = None,
    source: str = "/test",
    subject: str | None = None,
    correlation_id: str | None = None,
    time: datetime | None = None,
) -> Envelope[E]:
    """An event as the inbox would give it to a handler; the subject is its order_id or sku unless told."""
    event_id = id or new_id()
    about = subject or str(getattr(event, "order_id", None) or getattr(event, "sku", "subject"))
    cause = Cause(event_id, correlation_id or about, None)
    return Envelope(event_id, source, event.event_type, about, time or datetime.now(UTC), event, cause)


async def published(tx: Transaction) -> list[PublishedEvent]:
    """The events that a transaction is going to publish, in order, read back from their JSON."""
    models = {model.event_type: model for model in PublishedEvent.__subclasses__()}
    return [models[row.type].model_validate_json(row.data) for row in tx.rows]
