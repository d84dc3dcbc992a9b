"""Dead letters: events that cannot be handled, kept until a person decides.

States of a letter: HELD (it failed; later events of its key wait), WAITING (it waits behind a HELD one), PARKED (no
event that we could have missed: nothing waits for it), then REDRIVEN or DISCARDED. A copy
goes to the topic `<group>.dead-letters`.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Transaction, Unavailable
from chassis.envelope import RawMessage, new_id
from chassis.outbox import OutboxRow


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
    return subject.decode(errors="replace").replace("\x00", "\ufffd")


async def bury(tx: Transaction, group: str, dead: Dead) -> None:
    """Keep a dead letter, and tell of it on the group's topic. Safe to repeat for a message that is delivered again."""
    state = "HELD" if dead.holds else "PARKED"
    if await _keep(tx, group, dead.message, state, dead.reason, dead.error):
        tx.rows.append(_copy(group, dead))


async def queue_behind(tx: Transaction, group: str, message: RawMessage) -> None:
    """Let an event wait behind the held one of its key.

    Raises Unavailable when the key was released in the meantime: the batch, tried again, will then handle the event.
    """
    await lock_key(tx, message.topic, key_of(message))
    still_held = await tx.connection.execute(
        _IS_HELD, {"group": group, "topic": message.topic, "key": key_of(message)}
    )
    if not still_held.scalar():
        raise Unavailable("the key was released just now")
    await _keep(tx, group, message, "WAITING", "key-held", "an earlier event of this key is a dead letter")


async def count_open(connection: AsyncConnection) -> list[tuple[str, int]]:
    """(consumer group, its open letters) for each group that ever had one."""
    return [(row.consumer_group, row.letters) for row in await connection.execute(_COUNT_OPEN)]


async def lock_key(tx: Transaction, topic: str, key: str) -> None:
    """Serialize those who queue behind a held key with those who release it."""
    await tx.connection.execute(_LOCK, {"name": f"{topic}/{key}"})


_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")

_IS_HELD = text(
    "SELECT EXISTS (SELECT FROM dead_letters WHERE consumer_group = :group AND topic = :topic AND key = :key"
    " AND state IN ('HELD', 'WAITING'))"
)

_COUNT_OPEN = text(
    "SELECT consumer_group, count(*) FILTER (WHERE state IN ('HELD', 'WAITING', 'PARKED')) AS letters"
    " FROM dead_letters GROUP BY consumer_group"
)

_KEEP = text(
    """
    INSERT INTO dead_letters
        (consumer_group, topic, partition, "offset", key, event_id, source, type, headers, value, state, reason, error,
         fingerprint)
    VALUES
        (:group, :topic, :partition, :offset, :key, CAST(:event_id AS uuid), :source, :type, CAST(:headers AS jsonb),
         :value, :state, :reason, :error, :fingerprint)
    ON CONFLICT DO NOTHING
    RETURNING id
    """
)


async def _keep(
    tx: Transaction, group: str, message: RawMessage, state: str, reason: str, error: str
) -> bool:
    headers = _headers(message)
    partition, offset = message.position
    kept = await tx.connection.execute(
        _KEEP,
        {
            "group": group,
            "topic": message.topic,
            "partition": partition,
            "offset": offset,
            "key": key_of(message),
            "event_id": _uuid_or_none(headers.get("ce_id")),
            "source": headers.get("ce_source"),
            "type": headers.get("ce_type"),
            "headers": json.dumps(headers),
            "value": message.value,
            "state": state,
            "reason": reason,
            "error": error[:4000].replace("\x00", "\ufffd"),
            "fingerprint": _fingerprint(message),
        },
    )
    return kept.first() is not None


def _copy(group: str, dead: Dead) -> OutboxRow:
    message, (partition, offset) = dead.message, dead.message.position
    headers = _headers(message)
    data = {
        "group": group,
        "topic": message.topic,
        "partition": partition,
        "offset": offset,
        "reason": dead.reason,
        "error": dead.error,
        "headers": headers,
        "value_base64": base64.b64encode(message.value).decode() if message.value is not None else None,
    }
    key = key_of(message)
    correlation = headers.get("ce_correlationid", key)
    causation = _uuid_or_none(headers.get("ce_id"))
    return OutboxRow(
        new_id(),
        topic_of(group),
        key,
        f"{group}.dead-lettered.v1",
        datetime.now(UTC),
        correlation,
        None if causation is None else UUID(causation),
        headers.get("traceparent"),
        json.dumps(data),
    )


def _headers(message: RawMessage) -> dict[str, str]:
    # PostgreSQL takes no NUL in text; a header that has one is garbage already.
    return {
        name.replace("\x00", "\ufffd"): value.decode(errors="replace").replace("\x00", "\ufffd")
        for name, value in message.headers
        if value is not None
    }


def _uuid_or_none(value: str | None) -> str | None:
    try:
        return str(UUID(value)) if value else None
    except ValueError:
        return None


def _fingerprint(message: RawMessage) -> str:
    """What the message is, beside where it stood: offsets start again when a topic is made anew."""
    digest = hashlib.sha256(message.value or b"")
    for name, value in message.headers:
        digest.update(name.encode() + b"=" + (value or b"") + b";")
    return digest.hexdigest()
