"""The messages that a release may have to read: in its topics, in outboxes, and in its open dead letters.

Of the messages with one shape, one is kept with their number. A million messages have a few dozen shapes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from shop_contracts.answer.shapes import listed_names, shape_of
from shop_observe.kafka_log import LATEST_MS
from shop_observe.tail import whole
from shop_stack.target import Target

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
        return dict(self.headers).get("ce_type", b"").decode(errors="replace")

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


@dataclass
class Groups:
    """Messages by their source, type and shape. `listed`: topic → properties whose values a schema lists."""

    listed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    _by_shape: dict[tuple[str, ...], Group] = field(default_factory=dict)

    def add(self, source: str, message: Message) -> None:
        """Count a message. It is kept if it is the first one of its shape."""
        names = ",".join(sorted(name for name, _ in message.headers))
        shape = f"{names} {self._shape_of(message)}"
        key = (source, message.topic, message.type, shape)
        group = self._by_shape.get(key)
        if group is None:
            group = self._by_shape[key] = Group(source, shape, message)
        group.count += 1

    def all(self) -> list[Group]:
        """Every group, in the order of the first messages."""
        return list(self._by_shape.values())

    def _shape_of(self, message: Message) -> str:
        if message.value is None:
            return "no value"
        if dict(message.headers).get("ce_subject") != message.key:
            return "another key than its subject"
        try:
            data = orjson.loads(message.value)
        except ValueError:
            return "no JSON"
        return repr(shape_of(data, self.listed.get(message.topic, frozenset())))


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


async def add_log(groups: Groups, target: Target, topics: Sequence[str]) -> None:
    """Add every message that the topics have. Raises UserError if Kafka is unavailable or silent."""
    if not topics:
        return
    async with whole(target, topics) as tail:
        async for records in tail.to_the_ends():
            for record in records:
                # A record that no client can parse is no event for any release. `shop check` lists it.
                if not getattr(record, "fault", ""):
                    groups.add(record.topic, message_of(record))


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
