"""Foreign records on a real topic: the consumer goes on behind each of them, and does not start again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher
from aiokafka.protocol.produce import ProduceRequest
from sqlalchemy import text

from chassis.events import Batch, ConsumedEvent
from chassis.inbox import Inbox, Subscriptions
from chassis.kafka import Consumer, ConsumerSettings
from chassis.kafka.consumer import ClientHooks, create_client
from chassis.kafka.inflate import MAX_INFLATED_BYTES
from chassis.observability import metrics
from chassis.outbox import Database, Transaction
from chassis.tuning import tolerant_records
from libs.chassis.tests.any_bytes import CODECS, RawRecord, batch_bytes, good_record, record_bytes
from shop_stack.kafka_access import KafkaAccess
from testkit import eventually

EffectsIn = Callable[[Database], Awaitable[list[tuple[str, int]]]]


@pytest.fixture(autouse=True)
def any_bytes_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher, "MemoryRecords", fetcher.MemoryRecords)
    monkeypatch.setattr(fetcher, "PartitionRecords", fetcher.PartitionRecords)
    tolerant_records.read_any_bytes()


@pytest.fixture
async def topic(kafka_admin: AIOKafkaAdminClient) -> AsyncIterator[str]:
    name = f"things.{uuid4().hex[:8]}.v1"
    await kafka_admin.create_topics([NewTopic(name, 2, 1)])
    yield name
    await kafka_admin.delete_topics([name])


@pytest.fixture
async def produce(kafka: KafkaAccess, topic: str) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """await produce(batch, partition=0): bytes of a batch, as they are."""
    client = AIOKafkaClient(**kafka.client)
    await client.bootstrap()
    await client.set_topics([topic])

    async def send(batch: bytes, partition: int = 0) -> None:
        async def leader_is_known() -> int:
            found = client.cluster.leader_for_partition(fetcher.TopicPartition(topic, partition))
            if found is None or found < 0:
                await client.force_metadata_update()
                raise AssertionError(f"{topic} has no leader yet")
            return int(found)

        leader = await eventually(leader_is_known)
        request = ProduceRequest(None, -1, 10_000, [(topic, [(partition, batch)])])
        answer = await client.send(leader, request)
        assert answer.topics[0][1][0][1] == 0, answer

    yield send
    await client.close()


@pytest.fixture
async def consumer(
    kafka: KafkaAccess, topic: str, db: Database, effects: Any
) -> AsyncIterator[tuple[Consumer, list[AIOKafkaConsumer]]]:
    """A consumer of the topic that runs, and every client that it has made."""

    class Counted(ConsumedEvent, type="things.thing-counted.v1", topic=topic, key="name"):
        name: str
        number: int

    async def count(tx: Transaction, events: Batch[Counted]) -> None:
        await effects.count(tx, events)

    made: list[AIOKafkaConsumer] = []
    inbox = Inbox(db, f"things-{uuid4().hex[:8]}", Subscriptions({Counted: count}), breaker_keys=3)
    running = Consumer(inbox, ConsumerSettings(kafka=kafka.client), hooks=counting(made))
    task = asyncio.create_task(running.run())
    yield running, made
    running.stopping.set()
    await task


def counting(made: list[AIOKafkaConsumer]) -> Any:
    def create(settings: ConsumerSettings, group: str) -> AIOKafkaConsumer:
        made.append(create_client(settings, group))
        return made[-1]

    return ClientHooks(create=create)


async def reasons_in(db: Database) -> list[str]:
    async with db.reading() as connection:
        return [
            row.reason for row in await connection.rows(text("SELECT reason FROM dead_letters ORDER BY id"))
        ]


async def test_foreign_records_and_every_codec_pass_one_consumer(
    consumer: Any, produce: Any, db: Database, effects_in: EffectsIn
) -> None:
    _, made = consumer
    for number, codec in enumerate(CODECS):
        await produce(batch_bytes([record_bytes(good_record(f"by {codec}", number), 0)], codec=codec))
    odd = good_record("odd name", 10)
    odd.headers.append((b"\xff", b"\xff"))
    await produce(batch_bytes([record_bytes(odd, 0)]))
    await produce(batch_bytes([record_bytes(good_record("nul", 11, ce_subject=b"n\x00l"), 0)]))
    bomb = RawRecord(b"bomb", bytes(MAX_INFLATED_BYTES), [])
    for codec in ("gzip", "snappy", "zstd"):
        await produce(batch_bytes([record_bytes(bomb, 0)], codec=codec))
    await produce(batch_bytes([record_bytes(good_record("last", 12), 0)]))

    async def all_taken() -> None:
        names = {name for name, _ in await effects_in(db)}
        assert names == {f"by {codec}" for codec in CODECS} | {"odd name", "last"}

    await eventually(all_taken, 20)
    assert await reasons_in(db) == ["bad-subject", "unreadable", "unreadable", "unreadable"]
    assert len(made) == 1


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "none"])
async def test_a_topic_may_be_set_to_any_compression(
    consumer: Any,
    produce: Any,
    db: Database,
    effects_in: EffectsIn,
    kafka_admin: AIOKafkaAdminClient,
    topic: str,
    codec: str,
) -> None:
    compression = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"compression.type": codec})
    await kafka_admin.alter_configs([compression])
    await produce(batch_bytes([record_bytes(good_record("mug", number), number) for number in range(100)]))

    async def taken() -> None:
        assert len(await effects_in(db)) == 100

    await eventually(taken, 20)


async def test_a_storm_of_tiny_records_does_not_delay_other_partitions(
    consumer: Any, produce: Any, db: Database, effects: Any, effects_in: EffectsIn, storm_batches: list[int]
) -> None:
    storm = [record_bytes(RawRecord(None, None, []), number) for number in range(20_000)]
    await produce(batch_bytes(storm), 0)

    async def good_event_is_handled() -> None:
        assert await effects_in(db) == [("good", 1)]

    await eventually(good_event_is_handled, 20)
    # One batch was in hand when the event was produced, and the next one was fetched already.
    assert storm_batches[0] <= 3


@pytest.fixture
def storm_batches(monkeypatch: pytest.MonkeyPatch, consumer: Any, produce: Any) -> list[int]:
    """[the number of batches of partition 0 until the good event]. The event is produced during the first of them."""
    batches = [0]
    process = Inbox.process
    is_over = False

    async def counted(self: Inbox, messages: Any) -> None:
        nonlocal is_over
        is_over = is_over or any(message.position[0] == 1 for message in messages)
        if not is_over:
            batches[0] += 1
        if batches[0] == 1 and not is_over:
            await produce(batch_bytes([record_bytes(good_record("good", 1), 0)]), 1)
        await process(self, messages)

    monkeypatch.setattr(Inbox, "process", counted)
    return batches


async def test_only_the_partition_waits_whose_events_all_fail_alike(
    consumer: Any, produce: Any, db: Database, effects: Any, effects_in: EffectsIn
) -> None:
    _, made = consumer
    effects.fails = lambda name, number: RuntimeError(f"cannot count {name}") if number < 10 else None
    await produce(batch_bytes([record_bytes(good_record(f"bad {n}", n), n) for n in range(5)]), 0)

    async def waits() -> None:
        assert metrics.PARTITIONS_WAITING._value.get() == 1

    await eventually(waits, 20)
    assert await reasons_in(db) == []
    effects.fails = lambda name, number: None
    await produce(batch_bytes([record_bytes(good_record("good", 10), 0)]), 1)

    async def all_taken() -> None:
        assert len(await effects_in(db)) == 6

    await eventually(all_taken, 20)
    assert await reasons_in(db) == []
    assert len(made) == 1
