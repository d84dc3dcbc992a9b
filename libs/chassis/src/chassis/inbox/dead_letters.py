"""Dead letters: messages that could not be handled. They are kept until an operator decides.

| state     | meaning                                                                                   |
|-----------|-------------------------------------------------------------------------------------------|
| HELD      | its handler failed, or its data is too large or does not fit the model; later events of    |
|           | its key wait                                                                               |
| WAITING   | an earlier event of its key was HELD; it waits until an operator redrives or discards it  |
| PARKED    | it is not an event that the service reads, so no event waits for it                        |
| REDRIVEN  | an operator had it handled again, with success                                             |
| DISCARDED | an operator decided that it is never handled                                               |

A dead letter is a row of the service's database. A copy of each HELD and PARKED one goes to the topic
`<group>.dead-letters`. In this package a dead letter is also called a letter. A HELD letter holds its key: later events
of the key wait.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from chassis.errors import Unavailable
from chassis.events import Cause, RawMessage
from chassis.events.envelope import MAX_TEXT_LENGTH
from chassis.observability import metrics
from chassis.outbox import OutboxRow, Transaction, new_row
from chassis.postgres import Connection, Row, Statements

MAX_ERROR_LENGTH = 4_000

MAX_COPY_LENGTH = 16_000
"""The maximum number of characters of a copy on the dead-letters topic. It is small, because the relay has up to 2,000
rows in memory."""

MAX_COPIED_ERROR_LENGTH = 500
"""The maximum number of characters of the error in a copy without headers and value. JSON may write one character as
twelve."""

OPEN_STATES = ("HELD", "WAITING", "PARKED")
"""The states of letters that wait for an operator, in the order of `count_open_letters.sql`."""

REASONS = (
    "handler-failed",
    "schema-violation",
    "too-large",
    "unknown-type",
    "wrong-topic",
    "unreadable",
    "no-headers",
    "no-data",
    "bad-key",
    *(f"{fault}-{name}" for name in ("id", "type", "source", "subject", "time") for fault in ("no", "bad")),
    "bad-correlationid",
)
"""The reasons of letters that a service stores by itself: those of `Undecodable`, and a handler that failed."""

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
    """The key of a message: its header `ce_subject`, else its Kafka key, else an empty text.

    If the message becomes a HELD dead letter, later events with this key wait. The text is one that PostgreSQL can
    store, of at most MAX_TEXT_LENGTH characters.
    """
    return _printable(dict(message.headers).get("ce_subject") or message.key or b"")[:MAX_TEXT_LENGTH]


async def store(tx: Transaction, group: str, dead: Sequence[DeadLetter]) -> list[DeadLetter]:
    """Store dead letters in one statement, and publish their copies. Returns the new ones: a message is stored once."""
    letters = [_letter(group, one, "HELD" if one.holds_key else "PARKED") for one in dead]
    new = await _insert(tx, group, letters, [one.message.value for one in dead])
    tx.rows += [_copy_for_topic(letters[number], dead[number].message.value) for number in new]
    return [dead[number] for number in new]


def minimal(dead: DeadLetter) -> DeadLetter:
    """The dead letter with the message's position and the reason, without the message's headers and value."""
    message = dead.message._replace(headers=[("ce_subject", ordering_key(dead.message).encode())], value=None)
    error = f"Stored without headers and value, which could not be stored. {dead.error}"
    return dead._replace(message=message, error=error)


async def enqueue_behind(tx: Transaction, group: str, messages: Sequence[RawMessage]) -> None:
    """Store events as WAITING behind the HELD or WAITING letters of their keys.

    Raises Unavailable if a key was released in the meantime. The next try of the batch handles the events.
    """
    for topic, key in sorted({(message.topic, ordering_key(message)) for message in messages}):
        await lock_key(tx, topic, key)
        if not await tx.connection.value(
            statements.named("is_held"), {"group": group, "topic": topic, "key": key}
        ):
            raise Unavailable("the key was released just now")
    why = "an earlier event of this key is a dead letter"
    waiting = [DeadLetter(message, "key-held", why, holds_key=False) for message in messages]
    letters = [_letter(group, one, "WAITING") for one in waiting]
    await _insert(tx, group, letters, [message.value for message in messages])


async def lock_key(tx: Transaction, topic: str, key: str) -> None:
    """Lock a key until the transaction ends. The release of a key and the storing of a WAITING event of it exclude each
    other.
    """
    await tx.connection.execute(statements.named("lock_key"), {"name": f"{topic}/{key}"})


async def measure(connection: Connection) -> None:
    """Set the metrics of open dead letters, for each group that has had one."""
    for group, oldest, *counts in await connection.rows(statements.named("count_open_letters")):
        for state, letters in zip(OPEN_STATES, counts, strict=True):
            metrics.DEAD_LETTERS_OPEN.labels(group, state).set(letters)
        metrics.DEAD_LETTERS_OLDEST.labels(group).set(oldest)


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


async def _insert(
    tx: Transaction, group: str, letters: Sequence[dict[str, Any]], values: Sequence[bytes | None]
) -> list[int]:
    """Insert letters. Returns the indexes of those that are new."""
    if not letters:
        return []
    columns: dict[str, Any] = {name: [letter[name] for letter in letters] for name in letters[0]}
    columns |= {
        "group": group,
        "headers": [json.dumps(letter["headers"]) for letter in letters],
        "value": list(values),
    }
    inserted = await tx.connection.rows(statements.named("store_letters"), columns)
    new = {(topic, partition, offset) for topic, partition, offset in inserted}
    places = {_place(letter): index for index, letter in enumerate(letters) if _place(letter) in new}
    return list(places.values())


def _place(letter: dict[str, Any]) -> tuple[str, int, int]:
    return letter["topic"], letter["partition"], letter["offset"]


def _copy_for_topic(letter: dict[str, Any], value: bytes | None) -> OutboxRow:
    value_base64 = None if value is None else base64.b64encode(value).decode()
    data = json.dumps(letter | {"value_base64": value_base64}, default=str)
    if len(data) > MAX_COPY_LENGTH:  # headers and value stay in the database
        short = {"headers": {}, "value_base64": None, "error": letter["error"][:MAX_COPIED_ERROR_LENGTH]}
        data = json.dumps(letter | short, default=str)
    headers = letter["headers"]
    cause = Cause(
        event_id=letter["event_id"],
        correlation_id=headers.get("ce_correlationid", letter["key"])[:MAX_TEXT_LENGTH],
        traceparent=headers.get("traceparent", "")[:MAX_TEXT_LENGTH] or None,
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
