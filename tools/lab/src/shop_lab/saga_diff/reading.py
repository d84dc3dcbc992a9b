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
    """Read a saga out of the log of confirmed orders. The order with the most hops is shown.

    Payments needs two events, of two topics, and the one that it reads last is the cause of the charge. If that is the
    placed order, the chain looks shorter than the saga is.
    """
    stories = [steps_of(entries, order_id) for order_id in order_ids]
    shown = max(stories, key=hops_of)
    return Saga(
        messages=[_told(step) for step in shown],
        hops=hops_of(shown),
        confirmed_ms=times(_offset(story, CONFIRMED) for story in stories),
        last_ms=times(story[-1].offset_ms for story in stories),
        reads=read_by(topics, subscriptions),
        changes={
            "the sequence of the steps": deciders(shown),
            "a further step after stock-reserved": deciders(shown, after=RESERVED),
            "a field of order-placed": sorted(s for s, types in subscriptions.items() if PLACED in types),
        },
    )


def hops_of(story: Sequence[Step]) -> int:
    """The number of messages that caused each other, up to the confirmation. Raises StopIteration if there is none."""
    by_id = {step.entry.id: step.entry for step in story}
    entry = next(step.entry for step in story if step.entry.type == CONFIRMED)
    hops = 1
    while entry.causation_id in by_id:
        entry = by_id[entry.causation_id]
        hops += 1
    return hops


def deciders(story: Sequence[Step], after: str | None = None) -> list[str]:
    """The services that decided what followed from an event. One that carries out a command decides nothing.

    `after` is the type of the event; without it each event counts.
    """
    causes = {step.entry.id: step.entry for step in story}
    found = set()
    for step in story:
        cause = causes.get(step.entry.causation_id)
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
