"""Rounds: they divide a batch into a few calls of handlers, and keep the order of each key."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

from chassis.events import Envelope, RawMessage
from chassis.inbox.subscriptions import Handler, Subscription


class InboxEvent(NamedTuple):
    """A decoded event, its message, and the service's subscription for it."""

    message: RawMessage
    envelope: Envelope[Any]
    subscription: Subscription

    @property
    def identity(self) -> tuple[str, UUID]:
        """(source, id). Each identity takes effect once."""
        return self.envelope.source, self.envelope.id

    @property
    def key(self) -> tuple[str, str]:
        """(topic, subject). Events of one key have an order."""
        return self.message.topic, self.envelope.subject


class HandlerCall(NamedTuple):
    """One call of a handler."""

    handler: Handler
    events: list[InboxEvent]


def by_key(events: Iterable[InboxEvent]) -> dict[tuple[str, str], list[InboxEvent]]:
    """The events of each key, in order."""
    events_of_key: defaultdict[tuple[str, str], list[InboxEvent]] = defaultdict(list)
    for event in events:
        events_of_key[event.key].append(event)
    return dict(events_of_key)


def calls_of(events: Iterable[InboxEvent]) -> list[HandlerCall]:
    """Divide a batch into calls. The nth event of a key is in the nth round, and a round has one call per handler.

    With one handler, events 1 and 2 of key A and event 1 of key B become the calls [A1, B1] and [A2]. So a call has
    each key at most once, the order of a key is kept, and a batch of many keys is a few calls. A `WholeBatch` handler
    is called once, in the first round. Within a round the calls are in the order of the handlers' names, so that
    replicas acquire their locks in one order.
    """
    events_of_key: defaultdict[tuple[str, str], int] = defaultdict(int)
    calls: dict[tuple[int, Handler], HandlerCall] = {}
    for event in events:
        handler = event.subscription.handler
        round_number = 0
        if not event.subscription.takes_whole_batch:
            round_number = events_of_key[event.key]
            events_of_key[event.key] += 1
        if (round_number, handler) not in calls:
            calls[round_number, handler] = HandlerCall(handler, [])
        calls[round_number, handler].events.append(event)
    return [calls[place] for place in sorted(calls, key=_round_and_name)]


def _round_and_name(place: tuple[int, Any]) -> tuple[int, str, str]:
    round_number, handler = place
    return round_number, getattr(handler, "__module__", ""), getattr(handler, "__qualname__", "")
