"""What the services say in code and what topics.yaml says are the same thing."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml

from chassis.events import Batch, ConsumedEvent, PublishedEvent
from chassis.inbox import Subscriptions
from chassis.outbox import Transaction

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
Topic = Mapping[str, Any]


@dataclass(frozen=True)
class Said:
    """What one service says of events. `published` and `read` are type → (topic, key or None)."""

    service: str
    handled: frozenset[str]
    ignored: frozenset[str]
    published: Mapping[str, tuple[str, str | None]]
    read: Mapping[str, tuple[str, str | None]]
    deferrable: frozenset[str] = frozenset()
    topic_of: Mapping[str, str] = field(default_factory=dict)
    """The topic of each type that is handled or ignored."""


def said_by(service: str) -> Said:
    subscriptions = importlib.import_module(f"{service}.subscriptions").SUBSCRIPTIONS
    models = vars(importlib.import_module(f"{service}.events")).values()
    events = [m for m in models if isinstance(m, type) and m.__module__ == f"{service}.events"]
    return Said(
        service,
        frozenset(subscriptions.by_type),
        subscriptions.ignored,
        {m.event_type: (m.topic, m.key) for m in events if issubclass(m, PublishedEvent)},
        {
            m.event_type: (m.topic, None)
            for m in events
            if issubclass(m, ConsumedEvent) and hasattr(m, "event_type")
        },
        subscriptions.deferrable,
        subscriptions.topic_of,
    )


def topics() -> list[Topic]:
    declared: list[Topic] = yaml.safe_load((ROOT / "contracts" / "topics.yaml").read_text())["topics"]
    return declared


def consuming_faults(said: Said, declared: list[Topic]) -> list[str]:
    """Where handled and ignored are not exactly the events on the topics that the service reads.

    And where deferrable names an event without a handler.
    """
    arriving = {event: t["name"] for t in declared if said.service in t["readers"] for event in t["events"]}
    answered = said.handled | said.ignored
    faults = [
        f"{event} arrives on {arriving[event]} and is neither handled nor ignored: a dead letter"
        for event in sorted(arriving.keys() - answered)
    ]
    faults += [
        f"{event} is on no topic that topics.yaml lets {said.service} read"
        for event in sorted(answered - arriving.keys())
    ]
    faults += [f"{event} is both handled and ignored" for event in sorted(said.handled & said.ignored)]
    faults += [f"{event} is deferrable and not handled" for event in sorted(said.deferrable - said.handled)]
    faults += [
        f"{event} is handled without a read model" for event in sorted(said.handled - said.read.keys())
    ]
    faults += [
        f"{event} has a read model and is not handled" for event in sorted(said.read.keys() - said.handled)
    ]
    faults += [
        f"the read model of {event} says topic {topic}, topics.yaml says {arriving[event]}"
        for event, (topic, _) in said.read.items()
        if event in arriving and topic != arriving[event]
    ]
    faults += [
        f"{event} is subscribed to on {topic}, topics.yaml says {arriving[event]}"
        for event, topic in said.topic_of.items()
        if event in arriving and topic != arriving[event]
    ]
    return faults


def publishing_faults(said: Said, declared: list[Topic]) -> list[str]:
    """Where the service publishes what it does not own, under another topic or key, or not at all."""
    owned = {
        event: (t["name"], t["key"]) for t in declared if t["owner"] == said.service for event in t["events"]
    }
    faults = [
        f"{event} is published and not owned by {said.service}"
        for event in sorted(said.published.keys() - owned.keys())
    ]
    faults += [
        f"{event} is owned by {said.service} and never published"
        for event in sorted(owned.keys() - said.published.keys())
    ]
    faults += [
        f"{event} goes to {said.published[event]} in code and to {owned[event]} in topics.yaml (topic, key)"
        for event in sorted(owned.keys() & said.published.keys())
        if said.published[event] != owned[event]
    ]
    return faults


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_answers_every_event_on_the_topics_that_it_reads(service: str) -> None:
    assert consuming_faults(said_by(service), topics()) == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_publishes_what_it_owns_where_it_should(service: str) -> None:
    assert publishing_faults(said_by(service), topics()) == []


def annotation_faults(service: str, subscriptions: Subscriptions) -> list[str]:
    """Where a handler's `events: Batch[Model]` is not the model that it is subscribed with."""
    faults = []
    for type_, subscription in subscriptions.by_type.items():
        hints = [hint for name, hint in get_type_hints(subscription.handler).items() if name != "return"]
        (envelope,) = get_args(hints[1])
        (models,) = get_args(envelope)
        if subscription.model not in (get_args(models) or (models,)):
            faults.append(
                f"{service}: {subscription.handler.__name__} reads {models}, not the model of {type_}"
            )
    return faults


@pytest.mark.parametrize("service", SERVICES)
def test_a_handler_reads_the_event_that_it_is_subscribed_to(service: str) -> None:
    subscriptions = importlib.import_module(f"{service}.subscriptions").SUBSCRIPTIONS
    assert annotation_faults(service, subscriptions) == []


def test_a_handler_of_another_event_is_seen() -> None:
    class One(ConsumedEvent, type="a.one.v1", topic="a.x.v1"):
        pass

    class Two(ConsumedEvent, type="a.two.v1", topic="a.x.v1"):
        pass

    async def read_two(tx: Transaction, events: Batch[Two]) -> None:
        """A handler of the wrong event."""

    read_two.__annotations__["events"] = Batch[Two]
    (fault,) = annotation_faults("a", Subscriptions({One: read_two}))
    assert "not the model of a.one.v1" in fault


TOPIC = {"name": "a.x.v1", "owner": "a", "key": "id", "readers": ["b"], "events": ["a.one.v1", "a.two.v1"]}
MODEL = {"a.one.v1": ("a.x.v1", None)}


@pytest.mark.parametrize(
    ("handled", "ignored", "read", "complaint"),
    [
        ({"a.one.v1"}, set(), MODEL, "a.two.v1 arrives on a.x.v1 and is neither"),
        ({"a.one.v1"}, {"a.two.v1", "a.three.v1"}, MODEL, "a.three.v1 is on no topic"),
        ({"a.one.v1"}, {"a.one.v1", "a.two.v1"}, MODEL, "both handled and ignored"),
        ({"a.one.v1"}, {"a.two.v1"}, {}, "without a read model"),
        ({"a.one.v1"}, {"a.two.v1"}, {"a.one.v1": ("a.y.v1", None)}, "says topic a.y.v1"),
    ],
)
def test_a_wrong_subscription_is_seen(
    handled: set[str], ignored: set[str], read: Any, complaint: str
) -> None:
    said = Said("b", frozenset(handled), frozenset(ignored), {}, read)
    assert any(complaint in fault for fault in consuming_faults(said, [TOPIC]))


def test_a_deferrable_event_without_a_handler_is_seen() -> None:
    handled, ignored = frozenset({"a.one.v1"}), frozenset({"a.two.v1"})
    said = Said("b", handled, ignored, {}, MODEL, deferrable=handled | ignored)
    assert consuming_faults(said, [TOPIC]) == ["a.two.v1 is deferrable and not handled"]


def test_an_ignored_event_on_another_topic_is_seen() -> None:
    said = Said(
        "b", frozenset({"a.one.v1"}), frozenset({"a.two.v1"}), {}, MODEL, topic_of={"a.two.v1": "a.y.v1"}
    )
    (fault,) = consuming_faults(said, [TOPIC])
    assert fault == "a.two.v1 is subscribed to on a.y.v1, topics.yaml says a.x.v1"


@pytest.mark.parametrize(
    ("published", "complaint"),
    [
        ({"a.one.v1": ("a.x.v1", "id")}, "a.two.v1 is owned by a and never published"),
        ({"b.one.v1": ("a.x.v1", "id")}, "not owned by a"),
        ({"a.one.v1": ("a.x.v1", "name")}, "in topics.yaml (topic, key)"),
    ],
)
def test_a_wrong_publication_is_seen(published: Any, complaint: str) -> None:
    said = Said("a", frozenset(), frozenset(), published, {})
    assert any(complaint in fault for fault in publishing_faults(said, [TOPIC]))
