"""The records of Kafka, read without a group and as a principal that may write nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shop_observe.contract import Contract
from shop_observe.kafka_log import Entry, to_entry
from shop_observe.limited_codecs import limit_the_library
from shop_observe.tail import LogUnreadable, Tail, partitions_of
from shop_observe.topics import Topic, all_topics, partition_of
from shop_stack.target import Target

LOOK_BACK = 100
"""The records of each partition that a page begins with."""
FETCHED_BYTES = 1 << 20
"""Bytes of a partition in one answer of the broker."""
TOGETHER = 2_000
"""The most records that are handled before the pages get their turn."""
GATHER_MS = 200
"""The broker keeps new records back for this time, so that one answer has those of all partitions."""
MOST_SCANNED = 300_000
"""The most records that are read for one order."""
CLOCK_TOLERANCE = timedelta(minutes=5)
"""An order's records are looked for from this long before it was placed: clocks of machines differ."""
UUID_WITH_A_TIME = 7


@asynccontextmanager
async def _consumer(
    target: Target, places: Sequence[TopicPartition], **fetching: int
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of these partitions. `fetching` has further settings of it."""
    limit_the_library()
    consumer = AIOKafkaConsumer(
        **target.kafka.client,
        group_id=None,
        enable_auto_commit=False,
        max_partition_fetch_bytes=FETCHED_BYTES,
        fetch_max_bytes=4 * FETCHED_BYTES,
        max_poll_records=TOGETHER,
        **fetching,
    )
    try:
        await consumer.start()
        consumer.assign(list(places))
        yield consumer
    except (KafkaError, OSError) as error:
        raise LogUnreadable(f"Kafka at {target.kafka} does not answer ({error}): is the shop up?") from None
    finally:
        await consumer.stop()


async def newest(target: Target, topics: Sequence[Topic]) -> AsyncGenerator[list[Entry], None]:
    """The newest records of each partition, then new ones as they arrive; [] after 0.2 s without a record.

    Raises LogUnreadable if Kafka is unavailable.
    """
    contract = Contract(target.contracts, topics)
    places = await partitions_of(target, [topic.name for topic in topics])
    # Without it each record is an answer of its own, and costs as much as a hundred.
    gathering = {"fetch_min_bytes": FETCHED_BYTES, "fetch_max_wait_ms": GATHER_MS}
    async with _consumer(target, places, **gathering) as consumer:
        first = await consumer.beginning_offsets(places)
        ends = await consumer.end_offsets(places)
        starts = {place: max(first[place], ends[place] - LOOK_BACK) for place in places}
        tail = Tail(target, consumer, starts)
        while True:
            yield [to_entry(record, contract) for record in await tail.take(timeout_ms=200)]


async def of_order(target: Target, order_id: str) -> tuple[list[Entry], list[str]]:
    """All records of one order that the log has now, and what could not be read, as sentences.

    Raises LogUnreadable if Kafka is unavailable or silent.
    """
    topics = all_topics(target.contracts)
    contract = Contract(target.contracts, topics)
    wanted = {topic.name: topic for topic in topics if topic.events and not topic.compacted}
    actual = await partitions_of(target, list(wanted))
    places = places_of_key(order_id, wanted, actual)
    found: list[Entry] = []
    scanned = 0
    async with _consumer(target, places) as consumer:
        tail = Tail(target, consumer, await _starts(consumer, places, order_id))
        async for records in tail.to_the_ends():
            scanned += len(records)
            found += [entry for each in _of_key(records, order_id) if (entry := to_entry(each, contract))]
            if scanned > MOST_SCANNED:
                return found, [
                    f"Only {scanned:,} records of the log were searched: the newest may be missing."
                ]
            await asyncio.sleep(0)  # other pages get their turn
    return found, []


def places_of_key(
    key: str, wanted: dict[str, Topic], actual: Sequence[TopicPartition]
) -> list[TopicPartition]:
    """The partitions in which records of a key lie. Partitions that were added have moved keys, so there may be two."""
    now = {topic: sum(place.topic == topic for place in actual) for topic in wanted}
    found = {
        TopicPartition(name, partition_of(key.encode(), count))
        for name, topic in wanted.items()
        for count in (topic.partitions, now[name])
        if count
    }
    return sorted(found & set(actual))


def _of_key(records: Sequence[Any], key: str) -> list[Any]:
    raw = key.encode()
    return [record for record in records if record.key == raw]


async def _starts(
    consumer: AIOKafkaConsumer, places: Sequence[TopicPartition], order_id: str
) -> dict[TopicPartition, int]:
    """The offsets at which the search begins: at the time in the order's id, or at the beginning."""
    first: dict[TopicPartition, int] = await consumer.beginning_offsets(list(places))
    placed = placed_at(order_id)
    if placed is None:
        return first
    since = max(0, int((placed - CLOCK_TOLERANCE).timestamp() * 1000))
    ends = await consumer.end_offsets(list(places))
    times = await consumer.offsets_for_times(dict.fromkeys(places, since))
    return {place: times[place].offset if times.get(place) else ends[place] for place in places}


def placed_at(order_id: str) -> datetime | None:
    """The time in an order's id (UUID version 7); None if it has none."""
    try:
        number = UUID(order_id)
        if number.version != UUID_WITH_A_TIME:
            return None
        return datetime.fromtimestamp((number.int >> 80) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
