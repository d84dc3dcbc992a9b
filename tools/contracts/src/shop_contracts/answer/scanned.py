"""Reads the log once: the shapes of its messages are kept, and the next answer reads on from there.

The file is in the folder of the shop, whose other files have the same content, and only their owner can read it. A
compacted topic is read from its beginning each time, because Kafka removes messages from its middle.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shop_contracts.answer.stored import Group, Groups, Message
from shop_observe.tail import LogUnreadable, Tail, reader
from shop_stack.passwords import write_private
from shop_stack.target import Target

FORM = 1
"""The form of the file. It changes where a message could have another shape."""
FILE = "shapes.json"
Positions = dict[str, int]
"""``topic/partition`` → the offset from which on nothing was read."""


@dataclass(frozen=True, slots=True)
class Known:
    """What earlier answers have read."""

    groups: Sequence[Group] = ()
    positions: Positions = field(default_factory=dict)


async def add_log(groups: Groups, target: Target, topics: Sequence[str], compacted: Collection[str]) -> None:
    """Add every message that the topics have. Raises UserError if Kafka is unavailable or silent.

    Of a topic from which Kafka has removed messages, a group may count removed ones, too.
    """
    if not topics:
        return
    file = target.state / FILE
    known = load(file, groups.listed)
    try:
        async with reader(target, topics) as consumer:
            places = list(consumer.assignment())
            if is_of_another_log(known.positions, await consumer.end_offsets(places)):
                known = Known()
            beginnings = await consumer.beginning_offsets(places)
            for group in known.groups:
                if group.source in topics and group.source not in compacted and is_left(group, beginnings):
                    groups.put(group)
            tail = Tail(target, consumer, starts_of(beginnings, known.positions, compacted))
            async for records in tail.to_the_ends():
                add_records(groups, records)
    except (KafkaError, OSError) as error:
        raise LogUnreadable(f"Kafka at {target.kafka} does not answer ({error}): is the shop up?") from None
    others = [group for group in known.groups if group.source not in topics]
    read = {_name(place): offset for place, offset in tail.positions.items() if place.topic not in compacted}
    kept = [group for group in groups.all() if group.source not in compacted]
    save(file, groups.listed, Known([*others, *kept], known.positions | read))


def starts_of(
    beginnings: Mapping[TopicPartition, int], positions: Positions, compacted: Collection[str]
) -> dict[TopicPartition, int]:
    """The offsets to read from: those where the last answer ended, or the beginnings."""
    return {
        place: max(begin, 0 if place.topic in compacted else positions.get(_name(place), 0))
        for place, begin in beginnings.items()
    }


def add_records(groups: Groups, records: Sequence[Any]) -> None:
    """Add records. One that no client can parse is left out: it is no event for any release."""
    for record in records:
        if not getattr(record, "fault", ""):
            groups.add_record(record)


def is_of_another_log(positions: Positions, ends: Mapping[TopicPartition, int]) -> bool:
    """Whether more was read before than there is now: then the topics were made anew."""
    return any(positions.get(_name(place), 0) > end for place, end in ends.items())


def is_left(group: Group, beginnings: Mapping[TopicPartition, int]) -> bool:
    """Whether a message of the group can still be in the topic."""
    return any(
        offset >= beginnings.get(TopicPartition(group.source, partition), offset + 1)
        for partition, offset in group.last.items()
    )


def _name(place: TopicPartition) -> str:
    return f"{place.topic}/{place.partition}"


def load(file: Path, listed: Mapping[str, frozenset[str]]) -> Known:
    """What earlier answers have read. Nothing, if the schemas list other values since, or if the file is damaged."""
    try:
        facts = json.loads(file.read_text())
        if facts["form"] != FORM or facts["listed"] != _plain(listed):
            return Known()
        positions = {str(name): int(offset) for name, offset in facts["positions"].items()}
        return Known([_group(one) for one in facts["groups"]], positions)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Known()


def save(file: Path, listed: Mapping[str, frozenset[str]], known: Known) -> None:
    """Keep what was read."""
    facts = {
        "form": FORM,
        "listed": _plain(listed),
        "positions": known.positions,
        "groups": [_facts(group) for group in known.groups],
    }
    write_private(file, facts)


def _plain(listed: Mapping[str, frozenset[str]]) -> dict[str, list[str]]:
    return {topic: sorted(names) for topic, names in listed.items()}


def _facts(group: Group) -> dict[str, Any]:
    first = asdict(group.first)
    first["key"] = _base64(group.first.key)
    first["value"] = _base64(group.first.value)
    first["headers"] = [[name, _base64(value)] for name, value in group.first.headers]
    return {
        "source": group.source,
        "shape": group.shape,
        "count": group.count,
        "last": group.last,
        "first": first,
    }


def _group(facts: Mapping[str, Any]) -> Group:
    first = dict(facts["first"])
    first["key"] = _bytes(first["key"])
    first["value"] = _bytes(first["value"])
    first["headers"] = tuple((str(name), _bytes(value) or b"") for name, value in first["headers"])
    last = {int(partition): int(offset) for partition, offset in facts["last"].items()}
    return Group(str(facts["source"]), str(facts["shape"]), Message(**first), int(facts["count"]), last)


def _base64(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
