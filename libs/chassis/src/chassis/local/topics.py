"""Topics of the database: which ones are there, and how a row of an outbox becomes a message."""

from collections.abc import Collection
from typing import Any

from chassis.events import Cause, RawMessage, encode
from chassis.outbox import OutboxRow

SCHEMA = "topics"
"""The schema with a view for each topic of the group."""
SYSTEM = "postgresql"
"""The system of a message's span (`messaging.system`)."""


def is_local(topic: str, modules: Collection[str]) -> bool:
    """Whether the outbox with the rows of a topic is in this database. The topic `a.b.v1` is owned by `a`."""
    return topic.partition(".")[0] in modules


def view_of(topic: str) -> str:
    """The view of a topic, as a quoted identifier."""
    name = topic.replace('"', '""')
    return f'{SCHEMA}."{name}"'


def message_of(id: int, row: OutboxRow) -> RawMessage:
    """A row of an outbox as a message. Its position is (shard, id)."""
    source = f"/{row.topic.partition('.')[0]}"
    cause = Cause(row.causation_id, row.correlation_id, row.traceparent)
    headers: Any = encode(row.event_id, source, row.type, row.key, row.time, cause)
    return RawMessage(row.topic, (row.shard, id), row.key.encode(), row.data.encode(), headers, SYSTEM)
