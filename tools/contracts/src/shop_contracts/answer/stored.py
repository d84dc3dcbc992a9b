"""The messages that a release may have to read: in its topics, in outboxes, and in its open dead letters.

Of the messages with one shape, one is kept with their number. A million messages have a few dozen shapes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from shop_contracts.answer.shapes import listed_names, shape_of
from shop_observe.kafka_log import LATEST_MS

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it is stored."""

    place: str
    """For people: ``orders.order.v1[3]@17``, or the outbox or dead letter that has it."""
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    sent_ms: int

    @property
    def type(self) -> str:
        """The event type of the header; empty if there is none."""
        return type_of(self.headers)

    @property
    def at(self) -> datetime:
        """When it was sent."""
        return datetime.fromtimestamp(min(max(self.sent_ms, 0), LATEST_MS) / 1000, UTC)


@dataclass(slots=True)
class Group:
    """The messages of one source that have one type and one shape."""

    source: str
    """For people: the topic, ``outbox of inventory``, or ``dead letters``."""
    shape: str
    first: Message
    """The one that is read."""
    count: int = 0
    last: dict[int, int] = field(default_factory=dict)
    """Partition → the offset of the last message."""


@dataclass
class Groups:
    """Messages by their source, type and shape. `listed`: topic → properties whose values a schema lists."""

    listed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    _by_shape: dict[tuple[str, ...], Group] = field(default_factory=dict)

    def add(self, source: str, message: Message) -> None:
        """Count a message. It is kept if it is the first one of its shape."""
        shape = self.shape_of(message.topic, message.headers, message.key, message.value)
        group = self.group(source, message.topic, message.type, shape)
        if group is None:
            group = Group(source, shape, message)
            self.put(group)
        group.count += 1
        group.last[message.partition] = message.offset

    def add_record(self, record: Any) -> None:
        """Count a record of aiokafka. Most records have a known shape, so no message is made of them."""
        headers = tuple((name, value) for name, value in record.headers if value is not None)
        shape = self.shape_of(record.topic, headers, record.key, record.value)
        type_ = type_of(headers)
        group = self.group(record.topic, record.topic, type_, shape)
        if group is None:
            group = Group(record.topic, shape, message_of(record))
            self.put(group)
        group.count += 1
        group.last[record.partition] = record.offset

    def group(self, source: str, topic: str, type_: str, shape: str) -> Group | None:
        """The group of these messages; None if there is none yet."""
        return self._by_shape.get((source, topic, type_, shape))

    def put(self, group: Group) -> None:
        """Add a group."""
        self._by_shape[(group.source, group.first.topic, group.first.type, group.shape)] = group

    def all(self) -> list[Group]:
        """Every group, in the order of the first messages."""
        return list(self._by_shape.values())

    def shape_of(self, topic: str, headers: Headers, key: bytes | None, value: bytes | None) -> str:
        """The shape of a message: names of its headers, and the shape of its data."""
        names = ",".join(sorted(name for name, _ in headers))
        return f"{names} {self._data_shape(topic, headers, key, value)}"

    def _data_shape(self, topic: str, headers: Headers, key: bytes | None, value: bytes | None) -> str:
        if value is None:
            return "no value"
        if dict(headers).get("ce_subject") != key:
            return "another key than its subject"
        try:
            data = orjson.loads(value)
        except ValueError:
            return "no JSON"
        return repr(shape_of(data, self.listed.get(topic, frozenset())))


def listed_of(contracts: Path, topics: Iterable[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """Topic → the properties of its events whose values a schema lists."""
    found = {}
    for topic in topics:
        names: set[str] = set()
        for type_ in topic["events"]:
            name, _, version = str(type_).rpartition(".")
            for file in (contracts / "events" / name).rglob(f"{version}*.schema.json"):
                names |= listed_names(json.loads(file.read_text()))
        found[str(topic["name"])] = frozenset(names)
    return found


def type_of(headers: Headers) -> str:
    """The event type in the headers of a message; empty if there is none."""
    return dict(headers).get("ce_type", b"").decode(errors="replace")


def message_of(record: Any) -> Message:
    """A record of aiokafka as a message."""
    headers = tuple((name, value) for name, value in record.headers if value is not None)
    place = f"{record.topic}[{record.partition}]@{record.offset}"
    return Message(
        place,
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        headers,
        record.timestamp,
    )
