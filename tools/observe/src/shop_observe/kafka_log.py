"""Reads the Kafka log without a consumer group, so that no service is affected."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from sys import intern
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from shop_observe import raw_batches
from shop_observe.contract import Contract, is_moment
from shop_observe.limited_codecs import limit_the_library
from shop_observe.topics import Topic
from shop_stack.errors import UserError
from shop_stack.target import Target

# Errors are reported as one sentence of a UserError. Without this handler the client would log its own lines around it.
logging.getLogger("aiokafka").addHandler(logging.NullHandler())

LATEST_MS = 253_402_300_799_000
"""The last second of the year 9999, in milliseconds since the epoch."""

SILENT_SECONDS = 30.0
"""Seconds without a message, although the topics have more, after which the log counts as unreadable."""


class LogUnreadable(UserError):
    """The log cannot be read. The message says what to do."""


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


@asynccontextmanager
async def reader(target: Target, topics: Sequence[str]) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without a group, at the beginning of every partition of the topics. Raises LogUnreadable."""
    limit_the_library()
    places = await partitions_of(target, topics)
    consumer = AIOKafkaConsumer(
        **target.kafka.client,
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
    """Every partition that the topics have now. Raises LogUnreadable if Kafka is unavailable or lacks a topic."""
    admin = AIOKafkaAdminClient(**target.kafka.client)
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
    """All messages that the topics hold now, from their first offset.

    Raises LogUnreadable if Kafka is unavailable or silent.
    """
    try:
        return await _read_to_the_ends(target, topics)
    except (KafkaError, OSError) as error:
        raise LogUnreadable(f"Kafka at {target.kafka} does not answer ({error}): is the shop up?") from None


async def _read_to_the_ends(target: Target, topics: Sequence[Topic]) -> Log:
    async with reader(target, [topic.name for topic in topics]) as consumer:
        places = list(consumer.assignment())
        ends: Mapping[TopicPartition, int] = await consumer.end_offsets(places)
        beginnings: Mapping[TopicPartition, int] = await consumer.beginning_offsets(places)
        tail = Tail(target, consumer, Contract(target.contracts, topics), beginnings)
        entries: list[Entry] = []
        heard_at = time.monotonic()
        while any(tail.positions[place] < ends[place] for place in places):
            before = dict(tail.positions)
            entries += await tail.take(timeout_ms=500)
            if tail.positions != before:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > SILENT_SECONDS:
                raise LogUnreadable(f"Kafka at {target.kafka} is silent: is the shop up?")
    entries.sort(key=lambda entry: (entry.topic, entry.partition, entry.offset))
    gone = whole_since(entries, beginnings, datetime.now(UTC))
    return Log(entries, gone, Counter(place.topic for place in places))


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
        tail = Tail(target, consumer, Contract(target.contracts, topics), starts)
        while True:
            yield await tail.take(timeout_ms=200)


class Tail:
    """Reads records one after the other, including those that the client library cannot parse."""

    def __init__(
        self,
        target: Target,
        consumer: AIOKafkaConsumer,
        contract: Contract,
        starts: Mapping[TopicPartition, int],
    ) -> None:
        self._target = target
        self._consumer = consumer
        self._contract = contract
        self.positions = dict(starts)
        """Partition → the offset of the next record."""
        self._go_to_positions()

    async def take(self, timeout_ms: int) -> list[Entry]:
        """The next records, at most a few thousand; [] if none arrives within the timeout.

        Raises LogUnreadable if Kafka is unavailable.
        """
        try:
            batches = await self._consumer.getmany(timeout_ms=timeout_ms)
            records = [record for batch in batches.values() for record in batch]
            for place in self.positions:
                self.positions[place] = await self._consumer.position(place)
        except Exception:  # each codec, and each fault of a batch, has an exception of its own
            records = await self._read_by_hand()
        return [to_entry(record, self._contract) for record in records]

    async def _read_by_hand(self) -> list[Any]:
        """One fetch of each partition. The library may have dropped records that it read before the error."""
        records: list[Any] = []
        client = AIOKafkaClient(**self._target.kafka.client)
        try:
            await client.bootstrap()
            await client.set_topics({place.topic for place in self.positions})
            ends = await self._consumer.end_offsets(list(self.positions))
            for place in self.positions:
                if self.positions[place] < ends[place]:
                    found, behind = await raw_batches.fetch(client, place, self.positions[place])
                    records += found
                    self.positions[place] = behind
        except (KafkaError, OSError) as error:
            raise LogUnreadable(
                f"Kafka at {self._target.kafka} does not answer ({error}): is the shop up?"
            ) from None
        finally:
            await client.close()
        self._go_to_positions()
        return records

    def _go_to_positions(self) -> None:
        for place, offset in self.positions.items():
            self._consumer.seek(place, offset)
