"""The files of contracts/, read: topics, events with their released texts, readers, and their expectations.

It reads files alone. So it works in a shallow clone, and on the folder of a release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from shop_contracts.expectations import Expectation, read_expectations
from shop_contracts.texts import Delivery, ReleasedText, Text, read_released, read_text
from shop_stack import topics
from shop_stack.errors import UserError

ENVELOPE = "envelope"
"""The shared text with the headers of each message."""
SHARED = (ENVELOPE, "dead-letter")
"""The texts that no single event owns: contracts/<name>.schema.json."""


@dataclass(frozen=True)
class Topic:
    """A topic as contracts/topics.yaml declares it. `readers` may read it; `events` are the types on it."""

    name: str
    owner: str
    readers: tuple[str, ...]
    events: tuple[str, ...]
    key: str
    partitions: int
    retention_ms: int
    cleanup_policy: str

    @property
    def delivery(self) -> Delivery:
        """The part of it that the readers of its events rely on."""
        return Delivery(self.name, self.key, self.partitions, self.cleanup_policy)


class Contracts:
    """The contracts in `root`/contracts. Files are read when they are first asked for, and each of them once.

    Every method raises UserError where a file is missing or damaged.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "contracts"

    @cached_property
    def topics(self) -> list[Topic]:
        """All topics, in the order of topics.yaml."""
        try:
            return [_topic(entry) for entry in topics.entries(self.folder)]
        except KeyError as error:
            raise UserError(
                f"{self.folder / 'topics.yaml'} has a topic without {error}: correct it."
            ) from None

    @cached_property
    def events(self) -> dict[str, Text]:
        """Type → the text of today, for each event that is on a topic, in the order of topics.yaml."""
        types = [type_ for topic in self.topics for type_ in topic.events]
        return {type_: read_text(self.event_folder(type_), type_) for type_ in types}

    @cached_property
    def shared(self) -> dict[str, Text]:
        """Name → the text of today, for each of SHARED."""
        return {name: read_text(self.folder, name, with_examples=False) for name in SHARED}

    def event_folder(self, type_: str) -> Path:
        """The folder of an event, which all its versions share."""
        return self.folder / "events" / type_.rpartition(".")[0]

    def topic_of(self, type_: str) -> Topic | None:
        """The topic of an event; None if it is on none any more."""
        return next((topic for topic in self.topics if type_ in topic.events), None)

    def owner_of(self, type_: str) -> str:
        """The service that publishes an event."""
        topic = self.topic_of(type_)
        return topic.owner if topic else type_.partition(".")[0]

    def published_by(self, service: str) -> list[str]:
        """The types that a service publishes."""
        return [type_ for topic in self.topics if topic.owner == service for type_ in topic.events]

    def handled_by(self, service: str) -> list[str]:
        """The types that a service handles, by its AsyncAPI document. Empty if it has none."""
        return self._handled.get(service, [])

    def readers_of(self, type_: str, place: str = "") -> dict[str, Expectation | None]:
        """The consumers of an event, or of one place in its data: consumer → what it expects, sorted by consumer.

        A consumer handles an event by its AsyncAPI document or its expectations. None: it has written down nothing of
        this event, so it may read each place.
        """
        handling = [service for service, types in self._handled.items() if type_ in types]
        found = dict.fromkeys(handling) | {one.consumer: one for one in self.expectations_of(type_)}
        return {
            consumer: written
            for consumer, written in sorted(found.items())
            if written is None or written.reads(place)
        }

    @cached_property
    def _handled(self) -> dict[str, list[str]]:
        files = sorted((self.folder / "asyncapi").glob("*.yaml"))
        return {file.stem: _received(_yaml(file)) for file in files}

    def released(self, name: str) -> list[ReleasedText]:
        """The released texts of an event's type or of one of SHARED, by number; empty if none was released."""
        return read_released(self.folder if name in SHARED else self.event_folder(name), name)

    def released_types(self) -> list[str]:
        """The types that were released at some time, whether they are on a topic today or not."""
        files = self.folder.glob("events/*/released/*.schema.json")
        return sorted({f"{file.parent.parent.name}.{file.name.partition('.')[0]}" for file in files})

    @cached_property
    def consumers(self) -> list[str]:
        """The consumers that have committed expectations."""
        return sorted(path.name for path in (self.folder / "consumers").glob("*") if path.is_dir())

    def expectations(self, consumer: str) -> dict[str, list[Expectation]]:
        """Provider → what a consumer expects of it. Empty if it has committed nothing."""
        if consumer not in self._expectations:
            self._expectations[consumer] = read_expectations(self.folder / "consumers" / consumer)
        return self._expectations[consumer]

    @cached_property
    def _expectations(self) -> dict[str, dict[str, list[Expectation]]]:
        return {}

    def expectations_of(self, subject: str) -> list[Expectation]:
        """What all consumers expect of one event or of one operation, sorted by consumer."""
        return [
            one
            for consumer in self.consumers
            for expected in self.expectations(consumer).values()
            for one in expected
            if one.subject == subject
        ]


def _topic(entry: Mapping[str, Any]) -> Topic:
    return Topic(
        name=entry["name"],
        owner=entry["owner"],
        readers=tuple(entry["readers"]),
        events=tuple(entry["events"]),
        key=entry["key"],
        partitions=entry["partitions"],
        retention_ms=entry["retention_ms"],
        cleanup_policy=entry["cleanup_policy"],
    )


def _yaml(file: Path) -> Mapping[str, Any]:
    """A YAML document. The parser in C is used if there is one: it takes a tenth of the time."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document: Mapping[str, Any] = yaml.load(file.read_text(), Loader=loader)
    except yaml.YAMLError as error:
        raise UserError(f"{file} is no YAML ({error}): write it anew with `make contracts`.") from None
    return document


def _received(document: Mapping[str, Any]) -> list[str]:
    """The types that an AsyncAPI document receives."""
    operations = document.get("operations", {}).values()
    return [
        message["$ref"].rpartition("/")[2]
        for operation in operations
        if operation["action"] == "receive"
        for message in operation["messages"]
    ]
