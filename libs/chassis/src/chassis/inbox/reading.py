"""Reading: each message becomes an event, or a dead letter if it is no event."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import structlog

from chassis.events import RawMessage, Undecodable, decode, read_data
from chassis.inbox import dead_letters
from chassis.inbox.dead_letters import DeadLetter
from chassis.inbox.rounds import InboxEvent
from chassis.inbox.subscriptions import Subscriptions

log = structlog.get_logger()

HOLDING_REASONS = ("schema-violation", "too-large")
"""A message with one of these reasons is an event that the service reads, and only its data is wrong.

Later events of its key may depend on it, so they wait. Other unreadable messages are no events of the service, so no
event waits for them.
"""


class ClassifiedBatch(NamedTuple):
    """A batch, divided by what the inbox does with each message. Ignored types are left out."""

    events: list[InboxEvent]
    dead: list[DeadLetter]
    behind_dead: list[InboxEvent]
    """Events after a dead letter that blocks their key, in the same batch."""


def read(message: RawMessage, subscriptions: Subscriptions) -> InboxEvent | None:
    """The event in a message. None if its type is ignored. Raises Undecodable with the reason."""
    envelope = decode(message)
    topic = subscriptions.topic_of.get(envelope.type)
    if topic is None:
        raise Undecodable("unknown-type", f"the event type {envelope.type!r} is not known here")
    if topic != message.topic:  # the owner of one topic must not publish the events of another
        raise Undecodable("wrong-topic", f"{envelope.type!r} belongs on {topic}")
    subscription = subscriptions.by_type.get(envelope.type)
    if subscription is None:
        return None
    data = read_data(subscription.model, envelope)
    return InboxEvent(message, cast(Any, envelope)._replace(data=data), subscription)


def classify(messages: Sequence[RawMessage], subscriptions: Subscriptions) -> ClassifiedBatch:
    """Read a batch and divide it by what the inbox does with each message. An unreadable message does not stop the
    others.
    """
    batch = ClassifiedBatch([], [], [])
    held_keys: set[tuple[str, str]] = set()
    for message in messages:
        try:
            event = read(message, subscriptions)
        except Exception as error:
            letter = _letter_of(message, error)
            batch.dead.append(letter)
            if letter.holds_key:
                held_keys.add((message.topic, dead_letters.ordering_key(message)))
            continue
        if event is None:
            continue
        if event.key in held_keys:
            batch.behind_dead.append(event)
        else:
            batch.events.append(event)
    return batch


def _letter_of(message: RawMessage, error: Exception) -> DeadLetter:
    """The dead letter of a message that cannot be read, for any error."""
    reason = error.reason if isinstance(error, Undecodable) else "unreadable"
    text = str(error) if isinstance(error, Undecodable) else repr(error)
    log.warning("dead_letter.unreadable", reason=reason, topic=message.topic, position=message.position)
    return DeadLetter(message, reason, text, holds_key=reason in HOLDING_REASONS)
