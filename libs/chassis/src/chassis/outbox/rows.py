"""Rows of the outbox. Each is one event that is to be sent."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from chassis.events import Cause, PublishedEvent, new_id
from chassis.events.envelope import MAX_TEXT_LENGTH
from chassis.outbox.sharding import shard_of
from chassis.postgres import Connection, Statements

MAX_EVENT_LENGTH = 240_000
"""The maximum number of characters of an event's data.

A character has up to four bytes. With more characters a row could exceed Kafka's limit of 1 MB, and could never be
sent. Key, correlation id and traceparent have at most MAX_TEXT_LENGTH characters.
"""

_statements = Statements(__package__)


class OutboxRow(NamedTuple):
    """One event that is to be sent."""

    shard: int
    event_id: UUID
    topic: str
    key: str
    type: str
    time: datetime
    correlation_id: str
    causation_id: UUID | None
    traceparent: str | None
    data: str


def row_of(event: PublishedEvent, cause: Cause) -> OutboxRow:
    """The row of an event that is published because of `cause`.

    Raises ValueError if the data has more than MAX_EVENT_LENGTH characters, or the subject more than MAX_TEXT_LENGTH.
    """
    data = event.model_dump_json()
    if len(data) > MAX_EVENT_LENGTH:
        raise ValueError(f"{event.event_type} of {len(data)} characters is too large for Kafka")
    if len(event.subject) > MAX_TEXT_LENGTH:
        raise ValueError(f"the subject of {event.event_type} has {len(event.subject)} characters")
    return new_row(event.topic, event.subject, event.event_type, cause, data)


def new_row(topic: str, key: str, type: str, cause: Cause, data: str) -> OutboxRow:
    """A row with the present time and a new id. `data` is JSON.

    A correlation id that is too long is cut, and a traceparent that is too long is left out.
    """
    traceparent = cause.traceparent
    if traceparent is not None and len(traceparent) > MAX_TEXT_LENGTH:
        traceparent = None
    return OutboxRow(
        shard=shard_of(key),
        event_id=new_id(),
        topic=topic,
        key=key,
        type=type,
        time=datetime.now(UTC),
        correlation_id=cause.correlation_id[:MAX_TEXT_LENGTH],
        causation_id=cause.event_id,
        traceparent=traceparent,
        data=data,
    )


async def write(connection: Connection, rows: Sequence[OutboxRow]) -> None:
    """Write any number of rows in one statement. Their ids are in the order of `rows`."""
    if rows:
        columns = {name: [getattr(row, name) for row in rows] for name in OutboxRow._fields}
        await connection.execute(_statements.named("write_outbox"), columns)
