"""The log of a real Kafka, read from outside."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from shop_observe import tail
from shop_observe.kafka_log import Entry, follow, read_log, whole_since
from shop_observe.tail import LogUnreadable
from shop_observe.topics import Topic, declared_topics
from shop_stack.kafka_access import KafkaAccess
from shop_stack.target import Target

CONTRACTS = next(
    p for parent in Path(__file__).parents if (p := parent / "contracts" / "topics.yaml").exists()
).parent
ORDERS = [topic for topic in declared_topics(CONTRACTS) if topic.name == "orders.order.v1"]


def target_at(kafka: KafkaAccess, folder: Path) -> Target:
    return Target("test", {}, {}, "", kafka, {}, folder, CONTRACTS, folder)


async def send(kafka: KafkaAccess, key: str, *values: bytes, topic: str = "orders.order.v1") -> None:
    async with AIOKafkaProducer(**kafka.client, acks="all") as producer:
        for value in values:
            headers = [("ce_id", str(uuid.uuid4()).encode()), ("ce_type", b"orders.order-placed.v1")]
            await producer.send_and_wait(topic, value, key.encode(), headers=headers)


async def own_topic(kafka: KafkaAccess) -> Topic:
    """A topic of this test alone: others delete records of the shared ones, as retention does."""
    name = f"own.{uuid.uuid4().hex}.v1"
    admin = AIOKafkaAdminClient(**kafka.client)
    await admin.start()
    await admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])
    await admin.close()
    return replace(ORDERS[0], name=name)


def of(entries: list[Entry], key: str) -> list[bytes]:
    return [entry.value for entry in entries if entry.key == key]


async def test_everything_is_read_in_the_order_of_its_key(kafka: KafkaAccess, tmp_path: Path) -> None:
    key = str(uuid.uuid4())
    own = await own_topic(kafka)
    await send(kafka, key, b"1", b"2", b"not json \xff", topic=own.name)
    log = await read_log(target_at(kafka, tmp_path), [own])
    assert of(log.entries, key) == [b"1", b"2", b"not json \xff"]
    assert log.remembers(datetime(2000, 1, 1, tzinfo=UTC))


async def test_what_comes_later_is_followed(kafka: KafkaAccess, tmp_path: Path) -> None:
    key, since = str(uuid.uuid4()), datetime.now(UTC)
    await send(kafka, key, b"before")
    found: list[bytes] = []
    async with aclosing(follow(target_at(kafka, tmp_path), ORDERS, since)) as batches:
        async for entries in batches:
            found += of(entries, key)
            if found == [b"before"]:
                await send(kafka, key, b"after")
            if found == [b"before", b"after"]:
                break
    assert found == [b"before", b"after"]


def entry_at(partition: int, day: int, fault: str = "") -> Entry:
    moment = datetime(2026, 3, day, tzinfo=UTC)
    sent_ms = round(moment.timestamp() * 1000)
    return Entry("t", partition, 100, sent_ms, "k", "", "", "", "", "", "", "", b"", fault=fault)


@pytest.mark.parametrize(
    ("entries", "beginnings", "day"),
    [
        ([entry_at(0, 7), entry_at(0, 6), entry_at(1, 3)], (100, 0), 7),
        ([entry_at(0, 7), entry_at(1, 9)], (100, 100), 9),
        ([entry_at(0, 1, fault="no event"), entry_at(0, 7), entry_at(1, 3)], (100, 0), 7),
        ([entry_at(0, 1, fault="no event"), entry_at(1, 3)], (100, 0), 20),
        ([entry_at(1, 3)], (100, 0), 20),
        ([entry_at(0, 7)], (0, 0), None),
    ],
    ids=["one partition", "both", "a foreign record first", "a foreign record alone", "nothing left", "none"],
)
def test_a_truncated_topic_is_whole_since_the_latest_beginning_of_its_truncated_partitions(
    entries: list[Entry], beginnings: tuple[int, int], day: int | None
) -> None:
    places = {TopicPartition("t", number): beginning for number, beginning in enumerate(beginnings)}
    gone = whole_since(entries, places, now=datetime(2026, 3, 20, tzinfo=UTC))
    assert gone == ({"t": datetime(2026, 3, day, tzinfo=UTC)} if day else {})


async def test_what_another_partition_still_has_is_no_sign_that_a_truncated_one_is_whole(
    kafka: KafkaAccess, tmp_path: Path
) -> None:
    own = await own_topic(kafka)
    async with AIOKafkaProducer(**kafka.client, acks="all") as producer:
        await producer.send_and_wait(own.name, b"left", b"key", partition=1, timestamp_ms=1_000)
        await producer.send_and_wait(own.name, b"deleted", b"key", partition=0, timestamp_ms=3_000)
    admin = AIOKafkaAdminClient(**kafka.client)
    await admin.start()
    await admin.delete_records({TopicPartition(own.name, 0): RecordsToDelete(before_offset=1)})
    await admin.close()
    log = await read_log(target_at(kafka, tmp_path), [own])
    assert [entry.partition for entry in log.entries] == [1]
    assert not log.remembers(datetime.fromtimestamp(2, UTC))


class SilentConsumer:
    """Has one record to give, and never gives it: what a client does without its broker."""

    place = TopicPartition("t", 0)

    def assignment(self) -> set[TopicPartition]:
        return {self.place}

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {self.place: 1}

    async def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {self.place: 0}

    async def position(self, place: TopicPartition) -> int:
        return 0

    async def getmany(self, timeout_ms: int) -> dict[TopicPartition, list[object]]:
        await asyncio.sleep(0)
        return {}

    def seek(self, place: TopicPartition, offset: int) -> None:
        pass


async def test_a_kafka_that_falls_silent_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def silent_reader(target: Target, topics: Sequence[str]) -> AsyncIterator[SilentConsumer]:
        yield SilentConsumer()

    monkeypatch.setattr(tail, "reader", silent_reader)
    monkeypatch.setattr(tail, "SILENT_SECONDS", 0.05)
    async with asyncio.timeout(30):
        with pytest.raises(LogUnreadable, match="is silent"):
            await read_log(target_at(KafkaAccess("127.0.0.1:1"), tmp_path), ORDERS)


async def test_a_topic_that_was_never_declared_is_named(kafka: KafkaAccess, tmp_path: Path) -> None:
    missing = Topic("nobody.declared.this", "nobody", (), (), False)
    with pytest.raises(LogUnreadable, match="shop up"):
        await read_log(target_at(kafka, tmp_path), [missing])


async def test_a_kafka_that_is_away_is_said_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(LogUnreadable, match="does not answer"):
        await read_log(target_at(KafkaAccess("127.0.0.1:1"), tmp_path), ORDERS)
