"""The topics as `contracts/topics.yaml` declares them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import yaml
from aiokafka.partitioner import murmur2


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as `contracts/topics.yaml` declares it."""

    name: str
    owner: str
    readers: tuple[str, ...]
    events: tuple[str, ...]
    compacted: bool
    partitions: int = 1
    retention: timedelta | None = None
    """How long an event is kept at least; None for ever."""


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key, as the producers of Kafka choose it. A shard of the outbox is chosen in the same way."""
    return int(murmur2(key) % 2**31 % partitions)


def declared_topics(contracts: Path) -> list[Topic]:
    """The topics that carry events, without the dead letters'."""
    return [topic for topic in all_topics(contracts) if topic.events]


def dead_letter_topics(contracts: Path) -> list[Topic]:
    """The topics that carry copies of dead letters."""
    return [topic for topic in all_topics(contracts) if not topic.events]


def all_topics(contracts: Path) -> list[Topic]:
    declared = yaml.safe_load((contracts / "topics.yaml").read_text())["topics"]
    return [
        Topic(
            name=topic["name"],
            owner=topic["owner"],
            readers=tuple(topic["readers"]),
            events=tuple(topic["events"]),
            compacted=topic["cleanup_policy"] == "compact",
            partitions=topic["partitions"],
            retention=timedelta(milliseconds=kept) if (kept := topic["retention_ms"]) >= 0 else None,
        )
        for topic in declared
    ]
