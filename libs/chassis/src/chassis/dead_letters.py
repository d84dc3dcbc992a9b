"""Dead letters: events that cannot be handled, kept until a person decides.

States of a letter: HELD (it failed; later events of its key wait), WAITING (it waits behind a HELD one), PARKED (no
event that we could have missed: nothing waits for it), then REDRIVEN or DISCARDED. A copy goes to the topic
`<group>.dead-letters`.
"""

import base64
import json
from typing import Any, NamedTuple
from uuid import UUID

from chassis import sql, telemetry
from chassis.connection import Connection, Row
from chassis.database import Transaction, Unavailable
from chassis.envelope import LONGEST_NAME, Cause, RawMessage
from chassis.outbox import LARGEST_EVENT, OutboxRow, new_row


class Dead(NamedTuple):
    """A message that cannot be handled: the reason as a slug, the error for people, whether its key has to wait."""

    message: RawMessage
    reason: str
    error: str
    holds: bool


def key_of(message: RawMessage) -> str:
    """The key whose order counts; a message without one has none."""
    return _printable(dict(message.headers).get("ce_subject") or message.key or b"")[:LONGEST_NAME]


async def bury(tx: Transaction, group: str, dead: Dead) -> None:
    """Keep a dead letter, and tell of it on the group's topic. Safe to repeat for a message that is delivered again."""
    if letter := await _keep(tx, group, dead, "HELD" if dead.holds else "PARKED"):
        tx.rows.append(_copy(letter, dead.message.value))


async def queue_behind(tx: Transaction, group: str, message: RawMessage) -> None:
    """Let an event wait behind the held one of its key.

    Raises Unavailable when the key was released in the meantime: the batch, tried again, will then handle the event.
    """
    key = {"group": group, "topic": message.topic, "key": key_of(message)}
    await lock_key(tx, key["topic"], key["key"])
    if not await tx.connection.value(sql.statement("is_held"), key):
        raise Unavailable("the key was released just now")
    waits = Dead(message, "key-held", "an earlier event of this key is a dead letter", holds=False)
    await _keep(tx, group, waits, "WAITING")


async def count_open(connection: Connection) -> None:
    """Count the open letters of each group that ever had one, for whoever watches."""
    for group, letters in await connection.rows(sql.statement("count_open_letters")):
        telemetry.DEAD_LETTERS_OPEN.labels(group).set(letters)


async def lock_key(tx: Transaction, topic: str, key: str) -> None:
    """Serialize those who queue behind a held key with those who release it."""
    await tx.connection.execute(sql.statement("lock_key"), {"name": f"{topic}/{key}"})


def message_of(letter: Row) -> RawMessage:
    """The message that a letter was made of, from its row."""
    headers = [(name, value.encode()) for name, value in letter["headers"].items()]
    position = (letter["partition"], letter["offset"])
    return RawMessage(letter["topic"], position, letter["key"].encode(), letter["value"], headers)


async def _keep(tx: Transaction, group: str, dead: Dead, state: str) -> dict[str, Any] | None:
    """The letter without the message's value; None if it was kept before."""
    message, (partition, offset) = dead.message, dead.message.position
    headers = {_clean(name): _printable(value) for name, value in message.headers if value is not None}
    where = {"group": group, "topic": message.topic, "partition": partition, "offset": offset}
    what = {"key": key_of(message), "event_id": _uuid_or_none(headers.get("ce_id")), "headers": headers}
    letter = where | what | {"state": state, "reason": dead.reason, "error": _clean(dead.error[:4000])}
    row = letter | {"headers": json.dumps(headers), "value": message.value}
    return letter if await tx.connection.row(sql.statement("keep_letter"), row) is not None else None


def _copy(letter: dict[str, Any], value: bytes | None) -> OutboxRow:
    value_base64 = None if value is None else base64.b64encode(value).decode()
    data = json.dumps(letter | {"value_base64": value_base64}, default=str)
    if len(data) > LARGEST_EVENT:  # the letter in the database has them
        data = json.dumps(letter | {"headers": {}, "value_base64": None}, default=str)
    headers, group, key = letter["headers"], letter["group"], letter["key"]
    correlation_id = headers.get("ce_correlationid", key)[:LONGEST_NAME]
    cause = Cause(letter["event_id"], correlation_id, headers.get("traceparent", "")[:LONGEST_NAME] or None)
    return new_row(f"{group}.dead-letters", key, f"{group}.dead-lettered.v1", cause, data)


def _printable(value: bytes) -> str:
    return _clean(value.decode(errors="replace"))


def _clean(text: str) -> str:
    # PostgreSQL takes no NUL in text; what has one is garbage already.
    return text.replace("\x00", "\ufffd")


def _uuid_or_none(value: str | None) -> UUID | None:
    try:
        return UUID(value) if value else None
    except ValueError:
        return None
