"""What the log and the contracts of a shop say about one saga. No input or output."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from shop_observe.kafka_log import Entry
from shop_observe.timeline import Step, short, steps_of
from shop_observe.topics import Topic

CONFIRMED = "orders.order-confirmed.v1"
RESERVED = "inventory.stock-reserved.v1"
PLACED = "orders.order-placed.v1"


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of several orders: the median, the lowest and the highest."""

    median: float
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class Saga:
    """What was found out about one saga."""

    messages: Sequence[Mapping[str, Any]]
    """The messages of one order, as they came."""
    hops: int
    """Messages one after the other from the placed order to its confirmation, the placed order included."""
    confirmed_ms: Times
    """From the placed order to its confirmation."""
    last_ms: Times
    """From the placed order to its last message."""
    reads: Mapping[str, Mapping[str, Sequence[str]]]
    """Service → the owner of messages → those that the service reads. Products are left out."""
    changes: Mapping[str, Sequence[str]]
    """A change → the services whose code it would change."""

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON."""
        return asdict(self)


def saga_of(
    entries: Sequence[Entry],
    order_ids: Sequence[str],
    topics: Sequence[Topic],
    subscriptions: Mapping[str, Collection[str]],
) -> Saga:
    """Read a saga out of the log of confirmed orders. The last order is the one that is shown.

    `subscriptions` has the types that each service handles.
    """
    stories = [steps_of(entries, order_id) for order_id in order_ids]
    shown = stories[-1]
    chains = chains_of(shown, subscriptions)
    return Saga(
        messages=[_told(step) for step in shown],
        hops=next(chains[step.entry.id].hops for step in shown if step.entry.type == CONFIRMED),
        confirmed_ms=times(_offset(story, CONFIRMED) for story in stories),
        last_ms=times(story[-1].offset_ms for story in stories),
        reads=read_by(topics, subscriptions),
        changes={
            "the sequence of the steps": deciders(shown, chains),
            "a further step after stock-reserved": deciders(shown, chains, after=RESERVED),
            "a field of order-placed": sorted(s for s, types in subscriptions.items() if PLACED in types),
        },
    )


@dataclass(frozen=True, slots=True)
class Chain:
    """How a message came about."""

    hops: int
    """Messages one after the other, this one included."""
    cause: Entry | None
    """The message before it; None for the first one."""


def chains_of(story: Sequence[Step], subscriptions: Mapping[str, Collection[str]]) -> dict[str, Chain]:
    """Id of a message → the longest chain that led to it.

    The log names one cause of a message: the event that its service has read last. Payments needs two events, of two
    topics, and reads them in any order. So each earlier message that a service handles counts as a possible cause.
    """
    found: dict[str, Chain] = {}
    earlier: list[Entry] = []
    for step in story:
        handled = subscriptions.get(step.service, ())
        causes = [one for one in earlier if one.id == step.entry.causation_id or one.type in handled]
        cause = max(causes, key=lambda one: found[one.id].hops, default=None)
        found[step.entry.id] = Chain(1 + (found[cause.id].hops if cause else 0), cause)
        earlier.append(step.entry)
    return found


def deciders(story: Sequence[Step], chains: Mapping[str, Chain], after: str | None = None) -> list[str]:
    """The services that decided what followed from an event. One that carries out a command decides nothing.

    `after` is the type of the event; without it each event counts.
    """
    found = set()
    for step in story:
        cause = chains[step.entry.id].cause
        if cause is not None and not is_command(cause.topic) and after in (None, cause.type):
            found.add(step.service)
    return sorted(found)


def is_command(topic: str) -> bool:
    """Whether a topic is one of commands."""
    return topic.partition(".")[2].removesuffix(".v1").endswith("-command")


def read_by(
    topics: Iterable[Topic], subscriptions: Mapping[str, Collection[str]]
) -> dict[str, dict[str, list[str]]]:
    """Service → the owner of messages → those that the service reads."""
    found: dict[str, dict[str, list[str]]] = {}
    for topic in topics:
        for type_ in () if topic.compacted else topic.events:
            for service in topic.readers:
                if type_ in subscriptions.get(service, ()):
                    found.setdefault(service, {}).setdefault(topic.owner, []).append(short(type_))
    return found


def times(found: Iterable[float]) -> Times:
    """Median, lowest and highest value."""
    values = [round(value, 1) for value in found]
    return Times(round(median(values), 1), min(values), max(values))


def _offset(story: Sequence[Step], type_: str) -> float:
    return next(step.offset_ms for step in story if step.entry.type == type_)


def _told(step: Step) -> dict[str, Any]:
    return {
        "after_ms": round(step.offset_ms, 1),
        "service": step.service,
        "message": step.event,
        "kind": "command" if is_command(step.entry.topic) else "event",
        "because_of": step.cause,
    }
