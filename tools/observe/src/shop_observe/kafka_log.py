"""The messages of the Kafka log, as entries: all at once, or one batch after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from sys import intern
from typing import Any

import orjson
from aiokafka import TopicPartition

from shop_observe.contract import Contract, is_moment
from shop_observe.tail import Tail, reader, whole
from shop_observe.topics import Topic
from shop_stack.target import Target

LATEST_MS = 253_402_300_799_000
"""The last second of the year 9999, in milliseconds since the epoch."""


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
    """`ce_time`: the time at which the service published the event, in its transaction."""
    value: bytes = field(repr=False)
    subject: str = ""
    fault: str = ""
    """Why the message breaks the contract of its topic; empty if it does not."""

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
        """When the producer sent the message. An impossible time is replaced by the nearest that Python can express."""
        return datetime.fromtimestamp(min(max(self.sent_ms, 0), LATEST_MS) / 1000, UTC)

    @property
    def place(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"

    @property
    def moment(self) -> datetime:
        """When the event happened: `ce_time`, or the time of the Kafka record if that is missing."""
        return datetime.fromisoformat(self.decided_at) if is_moment(self.decided_at) else self.at


@dataclass(slots=True)
class Log:
    """The content of the topics at one moment."""

    entries: list[Entry]
    """All records, foreign ones included, in the order of each partition. Partitions have no common order."""
    gone_before: dict[str, datetime]
    """Topics of which retention deleted messages → the time since which every partition has all of its messages."""
    partitions: Mapping[str, int] = field(default_factory=dict)
    """Topic → its number of partitions now. It may be larger than declared."""

    @property
    def events(self) -> list[Entry]:
        """The entries without the foreign records."""
        return [entry for entry in self.entries if not entry.fault]

    def remembers(self, moment: datetime) -> bool:
        """Whether every message that was sent after that moment is still in the log."""
        return all(moment > oldest for oldest in self.gone_before.values())


def to_entry(record: Any, contract: Contract) -> Entry:
    """An aiokafka record or a RawRecord as an entry. Bytes that are not UTF-8 are replaced."""
    header = dict(record.headers).get
    entry = Entry(
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
        subject=text(header("ce_subject")),
    )
    # Only a RawRecord has this attribute.
    fault = getattr(record, "fault", "") or contract.fault_of(entry)
    return replace(entry, fault=fault) if fault else entry


def text(raw: bytes | None) -> str:
    return raw.decode(errors="replace") if raw else ""


async def read_log(target: Target, topics: Sequence[Topic]) -> Log:
    """All messages that the topics hold now, from their first offset.

    Raises LogUnreadable if Kafka is unavailable or silent.
    """
    contract = Contract(target.contracts, topics)
    entries: list[Entry] = []
    async with whole(target, [topic.name for topic in topics]) as tail:
        async for records in tail.to_the_ends():
            entries += [to_entry(record, contract) for record in records]
    entries.sort(key=lambda entry: (entry.topic, entry.partition, entry.offset))
    gone = whole_since(entries, tail.starts, datetime.now(UTC))
    return Log(entries, gone, Counter(place.topic for place in tail.starts))


def whole_since(
    entries: Sequence[Entry], beginnings: Mapping[TopicPartition, int], now: datetime
) -> dict[str, datetime]:
    """Truncated topic → the time since which all of its messages are left, given the entries in their order.

    Kafka deletes from each partition at its own time. What a truncated partition has lost is older than its first
    event, or than `now` if it has no event left. A foreign record may have any time, so none is a measure.
    """
    first: dict[TopicPartition, datetime] = {}
    for entry in entries:
        if not entry.fault:
            first.setdefault(TopicPartition(entry.topic, entry.partition), entry.at)
    gone: dict[str, datetime] = {}
    for place, beginning in beginnings.items():
        if beginning > 0:
            since = first.get(place, now)
            gone[place.topic] = max(since, gone.get(place.topic, since))
    return gone


async def follow(
    target: Target, topics: Sequence[Topic], since: datetime
) -> AsyncGenerator[list[Entry], None]:
    """The messages since a moment, then new ones as they arrive, in batches; [] after 0.2 s without a message.

    Raises LogUnreadable if Kafka is unavailable.
    """
    async with reader(target, [topic.name for topic in topics]) as consumer:
        places = list(consumer.assignment())
        # The ends are read first: a message that arrives later then has a higher offset than the start position.
        ends = await consumer.end_offsets(places)
        found = await consumer.offsets_for_times({place: int(since.timestamp() * 1000) for place in places})
        starts = {place: start.offset if (start := found.get(place)) else ends[place] for place in places}
        tail = Tail(target, consumer, starts)
        contract = Contract(target.contracts, topics)
        while True:
            yield [to_entry(record, contract) for record in await tail.take(timeout_ms=200)]
