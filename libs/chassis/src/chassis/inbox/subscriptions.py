"""Subscriptions: the events on a service's topics, and the handler of each."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from chassis.events import ConsumedEvent, Envelope
from chassis.outbox import Transaction

Handler = Callable[[Transaction, Sequence[Envelope[Any]]], Awaitable[None]]
"""`async def reserve_stock(tx: Transaction, events: Batch[OrderPlaced]) -> None`

The use case for a batch of events, in which each key occurs at most once. It never commits.
"""


class WholeBatch(NamedTuple):
    """A handler that gets all its events of a batch, or of a part of it after a failure, in one call.

    In the list, the events of a key are in their order, and a key may occur several times. The call is in the first
    round. Another handler may get a later event of a key before it, in the same round. Use it for handlers whose
    result does not depend on the order of events.
    """

    handler: Handler


class Subscription(NamedTuple):
    """The model and the handler of one event type."""

    model: type[ConsumedEvent]
    handler: Handler
    takes_whole_batch: bool


class HasHeaders(Protocol):
    """A message of which only the headers are needed."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """Names and values, in the order of the message."""


class Subscriptions:
    """A service's table of event → handler.

    `handlers` maps the read model of each event to its handler. `ignored` are the other event types on the same
    topics, by topic. Any other type, or a type on another topic than its own, becomes a dead letter. `deferrable` are
    models of events that can wait for a short time without delaying an order. A batch that has only deferrable and
    ignored events waits up to `ConsumerSettings.defer_seconds` for an urgent event. An event that is neither
    deferrable nor ignored is urgent.

    `not_retried` are errors of handlers that no further try can change. An event that fails alone with one of them
    becomes a HELD dead letter at once, and its partition continues. While the breaker is open for its type, it waits.
    """

    def __init__(
        self,
        handlers: Mapping[type[ConsumedEvent], Handler | WholeBatch],
        *,
        ignored: Mapping[str, Iterable[str]] = MappingProxyType({}),
        deferrable: Iterable[type[ConsumedEvent]] = (),
        not_retried: tuple[type[Exception], ...] = (),
    ) -> None:
        """Raises ValueError if a type has two models, is both handled and ignored, or is deferrable and not handled."""
        self.by_type = {model.event_type: _subscription(model, handlers[model]) for model in handlers}
        ignored_topics = {type: topic for topic, types in ignored.items() for type in types}
        self.ignored = frozenset(ignored_topics)
        self.deferrable = frozenset(model.event_type for model in deferrable)
        self.not_retried = not_retried
        if len(self.by_type) != len(handlers):
            raise ValueError("two models have the same event type")
        if both := self.ignored & self.by_type.keys():
            raise ValueError(f"both handled and ignored: {', '.join(sorted(both))}")
        if missing := self.deferrable - self.by_type.keys():
            raise ValueError(f"deferrable, but without a handler: {', '.join(sorted(missing))}")
        self.topic_of = ignored_topics | {type: found.model.topic for type, found in self.by_type.items()}
        self._not_urgent = frozenset(type.encode() for type in self.deferrable | self.ignored)

    @property
    def topics(self) -> Collection[str]:
        """The topics to read."""
        return {subscription.model.topic for subscription in self.by_type.values()}

    def none_urgent(self, messages: Iterable[HasHeaders]) -> bool:
        """Whether each message is deferrable or ignored, by its header `ce_type`."""
        return all(dict(message.headers).get("ce_type") in self._not_urgent for message in messages)


NO_SUBSCRIPTIONS = Subscriptions({})


def _subscription(model: type[ConsumedEvent], handler: Handler | WholeBatch) -> Subscription:
    if isinstance(handler, WholeBatch):
        return Subscription(model, handler.handler, takes_whole_batch=True)
    return Subscription(model, handler, takes_whole_batch=False)
