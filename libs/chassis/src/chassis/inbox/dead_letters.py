"""Dead letters: messages that could not be handled. They are kept until an operator decides.

| state     | meaning                                                                                   |
|-----------|-------------------------------------------------------------------------------------------|
| HELD      | its handler failed, or its data does not fit the model; later events of its key wait       |
| WAITING   | it waits for a HELD dead letter of its key                                                 |
| PARKED    | it is not an event that the service reads, so no event waits for it                        |
| REDRIVEN  | an operator had it handled again, with success                                             |
| DISCARDED | an operator decided that it is never handled                                               |

A dead letter is a row of the service's database. A copy of each HELD and PARKED one goes to the topic
`<group>.dead-letters`. In this package a dead letter is also called a letter.
"""

import base64
import json
from typing import Any, NamedTuple
from uuid import UUID

from chassis.errors import Unavailable
from chassis.events import Cause, RawMessage
from chassis.events.envelope import MAX_NAME_LENGTH
from chassis.observability import metrics
from chassis.outbox import MAX_EVENT_LENGTH, OutboxRow, Transaction, new_row
from chassis.postgres import Connection, Row, Statements

MAX_ERROR_LENGTH = 4_000

statements = Statements(__package__)


class DeadLetter(NamedTuple):
    """A message that could not be handled.

    `reason` is a slug, `error` is for people. If `holds_key`, later events of its key wait.
    """

    message: RawMessage
    reason: str
    error: str
    holds_key: bool


def ordering_key(message: RawMessage) -> str:
    """The key whose later events wait, or an empty text."""
    return _printable(dict(message.headers).get("ce_subject") or message.key or b"")[:MAX_NAME_LENGTH]


async def store(tx: Transaction, group: str, dead: DeadLetter) -> bool:
    """Store a dead letter, and publish its copy. Returns whether it is new, because a message is stored once."""
    letter = _letter(group, dead, "HELD" if dead.holds_key else "PARKED")
    is_new = await _insert(tx, letter, dead.message.value)
    if is_new:
        tx.rows.append(_copy_for_topic(letter, dead.message.value))
    return is_new


def minimal(dead: DeadLetter) -> DeadLetter:
    """The dead letter with the message's position and the reason, without the message's headers and value."""
    message = dead.message._replace(headers=[("ce_subject", ordering_key(dead.message).encode())], value=None)
    error = f"Stored without headers and value, which could not be stored. {dead.error}"
    return dead._replace(message=message, error=error)


async def enqueue_behind(tx: Transaction, group: str, message: RawMessage) -> None:
    """Store an event as WAITING: a dead letter of its key is HELD.

    Raises Unavailable if the key was released in the meantime. The next try of the batch handles the event.
    """
    key = {"group": group, "topic": message.topic, "key": ordering_key(message)}
    await lock_key(tx, key["topic"], key["key"])
    if not await tx.connection.value(statements.named("is_held"), key):
        raise Unavailable("the key was released just now")
    waiting = DeadLetter(
        message, "key-held", "an earlier event of this key is a dead letter", holds_key=False
    )
    await _insert(tx, _letter(group, waiting, "WAITING"), message.value)


async def lock_key(tx: Transaction, topic: str, key: str) -> None:
    """Lock a key: the release of the key and the storing of a WAITING event of it exclude each other."""
    await tx.connection.execute(statements.named("lock_key"), {"name": f"{topic}/{key}"})


async def count_open(connection: Connection) -> None:
    """Set the metric of open dead letters, for each group that has had one."""
    for group, letters in await connection.rows(statements.named("count_open_letters")):
        metrics.DEAD_LETTERS_OPEN.labels(group).set(letters)


def message_of(letter: Row) -> RawMessage:
    """The message of a letter, from the letter's row."""
    headers = [(name, value.encode()) for name, value in letter["headers"].items()]
    position = (letter["partition"], letter["offset"])
    return RawMessage(letter["topic"], position, letter["key"].encode(), letter["value"], headers)


def _letter(group: str, dead: DeadLetter, state: str) -> dict[str, Any]:
    """The letter without the message's value."""
    message = dead.message
    headers = {_clean(name): _printable(value) for name, value in message.headers if value is not None}
    partition, offset = message.position
    return {
        "group": group,
        "topic": message.topic,
        "partition": partition,
        "offset": offset,
        "key": ordering_key(message),
        "event_id": _uuid_or_none(headers.get("ce_id")),
        "headers": headers,
        "state": state,
        "reason": dead.reason,
        "error": _clean(dead.error[:MAX_ERROR_LENGTH]),
    }


async def _insert(tx: Transaction, letter: dict[str, Any], value: bytes | None) -> bool:
    """Insert the letter. Returns whether it is new."""
    row = letter | {"headers": json.dumps(letter["headers"]), "value": value}
    return await tx.connection.row(statements.named("store_letter"), row) is not None


def _copy_for_topic(letter: dict[str, Any], value: bytes | None) -> OutboxRow:
    value_base64 = None if value is None else base64.b64encode(value).decode()
    data = json.dumps(letter | {"value_base64": value_base64}, default=str)
    if len(data) > MAX_EVENT_LENGTH:  # headers and value stay in the database
        data = json.dumps(letter | {"headers": {}, "value_base64": None}, default=str)
    headers = letter["headers"]
    cause = Cause(
        event_id=letter["event_id"],
        correlation_id=headers.get("ce_correlationid", letter["key"])[:MAX_NAME_LENGTH],
        traceparent=headers.get("traceparent", "")[:MAX_NAME_LENGTH] or None,
    )
    group = letter["group"]
    return new_row(f"{group}.dead-letters", letter["key"], f"{group}.dead-lettered.v1", cause, data)


def _printable(value: bytes) -> str:
    return _clean(value.decode(errors="replace"))


def _clean(text: str) -> str:
    # PostgreSQL stores neither a NUL nor a lone surrogate in text.
    return text.encode(errors="replace").decode().replace("\x00", "\ufffd")


def _uuid_or_none(value: str | None) -> UUID | None:
    try:
        return UUID(value) if value else None
    except ValueError:
        return None
