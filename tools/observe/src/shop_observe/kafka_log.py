"""The Kafka log read from outside: without a consumer group, so that no service is affected."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from sys import intern
from typing import Any

import orjson
import yaml
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shop_stack.errors import UserError
from shop_stack.target import Target

# What goes wrong is told in one sentence of ours; the client's own lines would stand around it.
logging.getLogger("aiokafka").addHandler(logging.NullHandler())


class LogUnreadable(UserError):
    """The log cannot be read; the message says the cure."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as `contracts/topics.yaml` declares it."""

    name: str
    owner: str
    readers: tuple[str, ...]
    events: tuple[str, ...]
    compacted: bool
    partitions: int = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of the log. Header fields are empty if the message does not carry them."""

    topic: str
    partition: int
    offset: int
    sent_ms: int
    """When the producer sent it, milliseconds since the epoch."""
    key: str
    id: str
    source: str
    type: str
    correlation_id: str
    causation_id: str
    traceparent: str
    decided_at: str
    """`ce_time`: when the service published it, in its transaction."""
    value: bytes = field(repr=False)

    @property
    def data(self) -> dict[str, Any]:
        """The event's data; {} if the message is not a JSON object."""
        try:
            data = orjson.loads(self.value)
        except ValueError:
            return {}
        return data if isinstance(data, dict) else {}

    @property
    def at(self) -> datetime:
        """When the producer sent it."""
        return datetime.fromtimestamp(self.sent_ms / 1000, UTC)

    @property
    def place(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"

    @property
    def moment(self) -> datetime:
        """When it happened: `ce_time`, or the broker's time for a message that lacks it."""
        try:
            return datetime.fromisoformat(self.decided_at)
        except ValueError:
            return self.at


@dataclass(slots=True)
class Log:
    """What the topics hold at one moment."""

    entries: list[Entry]
    """In the order of each partition; partitions are not ordered among one another."""
    gone_before: dict[str, datetime]
    """Topics whose beginning was deleted by retention → time of the oldest message left."""
    partitions: Mapping[str, int] = field(default_factory=dict)
    """Topic → how many it has now, which may be more than are declared."""

    def remembers(self, moment: datetime) -> bool:
        """Whether everything that was sent since that moment is still in the log."""
        return all(moment > oldest for oldest in self.gone_before.values())


def declared_topics(contracts: Path) -> list[Topic]:
    """The topics that carry events, without the dead letters'."""
    declared = yaml.safe_load((contracts / "topics.yaml").read_text())["topics"]
    return [
        Topic(
            name=topic["name"],
            owner=topic["owner"],
            readers=tuple(topic["readers"]),
            events=tuple(topic["events"]),
            compacted=topic["cleanup_policy"] == "compact",
            partitions=topic["partitions"],
        )
        for topic in declared
        if topic["events"]
    ]


def to_entry(record: Any) -> Entry:
    """An aiokafka record as an entry; bytes that are not UTF-8 are replaced."""
    header = dict(record.headers).get
    return Entry(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        sent_ms=record.timestamp,
        key=text(record.key),
        id=text(header("ce_id")),
        source=intern(text(header("ce_source"))),
        type=intern(text(header("ce_type"))),
        correlation_id=text(header("ce_correlationid")),
        causation_id=text(header("ce_causationid")),
        traceparent=text(header("traceparent")),
        decided_at=text(header("ce_time")),
        value=record.value or b"",
    )


def text(raw: bytes | None) -> str:
    return raw.decode(errors="replace") if raw else ""


@asynccontextmanager
async def reader(target: Target, topics: Sequence[str]) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer at the beginning of every partition of the topics, in no group."""
    places = await partitions_of(target, topics)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=target.kafka,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
        max_poll_records=10_000,
    )
    try:
        await consumer.start()
        consumer.assign(places)
        yield consumer
    finally:
        await consumer.stop()


async def partitions_of(target: Target, topics: Sequence[str]) -> list[TopicPartition]:
    """Every partition of the topics as Kafka has them now."""
    admin = AIOKafkaAdminClient(bootstrap_servers=target.kafka)
    try:
        await admin.start()
        described = await admin.describe_topics(list(topics))
    except (KafkaError, OSError) as error:
        raise LogUnreadable(f"Kafka at {target.kafka} does not answer ({error}): is the shop up?") from None
    finally:
        await admin.close()
    if missing := [topic["topic"] for topic in described if topic["error_code"]]:
        raise LogUnreadable(
            f"Kafka lacks {', '.join(missing)}: `shop down` and `shop up` declare all topics again."
        )
    return [TopicPartition(t["topic"], p["partition"]) for t in described for p in t["partitions"]]


async def read_log(target: Target, topics: Sequence[Topic]) -> Log:
    """Everything that the topics hold now, from offset 0."""
    async with reader(target, [topic.name for topic in topics]) as consumer:
        places = list(consumer.assignment())
        ends: Mapping[TopicPartition, int] = await consumer.end_offsets(places)
        beginnings: Mapping[TopicPartition, int] = await consumer.beginning_offsets(places)
        entries: list[Entry] = []
        await consumer.seek_to_beginning()
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                entries.extend(map(to_entry, records))
    entries.sort(key=lambda entry: (entry.topic, entry.partition, entry.offset))
    truncated = {place.topic for place in places if beginnings[place] > 0}
    gone = {
        name: min((e.at for e in entries if e.topic == name), default=datetime.now(UTC)) for name in truncated
    }
    return Log(entries, gone, Counter(place.topic for place in places))


async def follow(
    target: Target, topics: Sequence[Topic], since: datetime
) -> AsyncGenerator[list[Entry], None]:
    """What the topics got since a moment, then whatever comes, in batches; [] after 0.2 s of nothing."""
    async with reader(target, [topic.name for topic in topics]) as consumer:
        places = list(consumer.assignment())
        # The ends come first: what arrives after them is behind the position that is taken from them.
        ends = await consumer.end_offsets(places)
        starts = await consumer.offsets_for_times({place: int(since.timestamp() * 1000) for place in places})
        for place in places:
            start = starts.get(place)
            consumer.seek(place, start.offset if start else ends[place])
        while True:
            batches = await consumer.getmany(timeout_ms=200)
            yield [to_entry(record) for records in batches.values() for record in records]
