"""Dead letters: events that cannot be handled, kept until a person decides.

States of a letter: HELD (it failed; later events of its key wait), WAITING (it waits behind a HELD one), PARKED (no
event that we could have missed: nothing waits for it), then REDRIVEN or DISCARDED. A copy
goes to the topic `<group>.dead-letters`.
"""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from chassis import sql
from chassis.connection import Connection
from chassis.database import Transaction, Unavailable
from chassis.envelope import LONGEST_NAME, RawMessage, new_id
from chassis.outbox import LARGEST_EVENT, OutboxRow

OPEN = "state IN ('HELD', 'WAITING', 'PARKED')"


@dataclass(frozen=True, slots=True)
class Dead:
    """A message that cannot be handled: the reason as a slug, the error for people, whether its key has to wait."""

    message: RawMessage
    reason: str
    error: str
    holds: bool


def topic_of(group: str) -> str:
    """The topic with the copies of a consumer group's dead letters."""
    return f"{group}.dead-letters"


def key_of(message: RawMessage) -> str:
    """The key whose order counts; a message without one has none."""
    subject = dict(message.headers).get("ce_subject") or message.key or b""
    return _printable(subject)[:LONGEST_NAME]


async def bury(tx: Transaction, group: str, dead: Dead) -> None:
    """Keep a dead letter, and tell of it on the group's topic. Safe to repeat for a message that is delivered again."""
    letter = _letter(group, dead)
    if await _keep(tx, letter, "HELD" if dead.holds else "PARKED"):
        tx.rows.append(_copy(letter))


async def queue_behind(tx: Transaction, group: str, message: RawMessage) -> None:
    """Let an event wait behind the held one of its key.

    Raises Unavailable when the key was released in the meantime: the batch, tried again, will then handle the event.
    """
    key = {"group": group, "topic": message.topic, "key": key_of(message)}
    await lock_key(tx, key["topic"], key["key"])
    if not await tx.connection.value(_IS_HELD, key):
        raise Unavailable("the key was released just now")
    waits = Dead(message, "key-held", "an earlier event of this key is a dead letter", holds=False)
    await _keep(tx, _letter(group, waits), "WAITING")


async def count_open(connection: Connection) -> list[tuple[str, int]]:
    """(consumer group, its open letters) for each group that ever had one."""
    return [(row.consumer_group, row.letters) for row in await connection.rows(_COUNT_OPEN)]


async def lock_key(tx: Transaction, topic: str, key: str) -> None:
    """Serialize those who queue behind a held key with those who release it."""
    await tx.connection.execute(_LOCK, {"name": f"{topic}/{key}"})


_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_IS_HELD = text(
    "SELECT EXISTS (SELECT FROM dead_letters WHERE consumer_group = :group AND topic = :topic AND key = :key"
    " AND state IN ('HELD', 'WAITING'))"
)
_COUNT_OPEN = text(
    f"SELECT consumer_group, count(*) FILTER (WHERE {OPEN}) AS letters FROM dead_letters GROUP BY consumer_group"
)
_KEEP = sql.statement("keep_letter")


def _letter(group: str, dead: Dead) -> dict[str, Any]:
    message, (partition, offset) = dead.message, dead.message.position
    headers = {name: _printable(value) for name, value in message.headers if value is not None}
    return {
        "group": group,
        "topic": message.topic,
        "partition": partition,
        "offset": offset,
        "key": key_of(message),
        "event_id": _uuid_or_none(headers.get("ce_id")),
        "reason": dead.reason,
        "error": dead.error[:4000].replace("\x00", "\ufffd"),
        "headers": {name.replace("\x00", "\ufffd"): value for name, value in headers.items()},
        "value": message.value,
    }


async def _keep(tx: Transaction, letter: dict[str, Any], state: str) -> bool:
    row = letter | {"state": state, "headers": json.dumps(letter["headers"])}
    return await tx.connection.row(_KEEP, row) is not None


def _copy(letter: dict[str, Any]) -> OutboxRow:
    told = {
        name: letter[name] for name in ("group", "topic", "partition", "offset", "reason", "error", "headers")
    }
    value = letter["value"]
    data = json.dumps({**told, "value_base64": None if value is None else base64.b64encode(value).decode()})
    if len(data) > LARGEST_EVENT:  # the letter in the database has them
        data = json.dumps({**told, "headers": {}, "value_base64": None})
    headers = letter["headers"]
    return OutboxRow(
        event_id=new_id(),
        topic=topic_of(letter["group"]),
        key=letter["key"],
        type=f"{letter['group']}.dead-lettered.v1",
        time=datetime.now(UTC),
        correlation_id=headers.get("ce_correlationid", letter["key"])[:LONGEST_NAME],
        causation_id=letter["event_id"],
        traceparent=headers.get("traceparent", "")[:LONGEST_NAME] or None,
        data=data,
    )


def _printable(value: bytes) -> str:
    # PostgreSQL takes no NUL in text; a header that has one is garbage already.
    return value.decode(errors="replace").replace("\x00", "\ufffd")


def _uuid_or_none(value: str | None) -> UUID | None:
    try:
        return UUID(value) if value else None
    except ValueError:
        return None
