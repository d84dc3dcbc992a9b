"""Outbox, Kafka, inbox: what one service commits another handles, with real brokers and real databases."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from chassis.consumer import Consumer
from chassis.database import Database
from chassis.dead_letters import topic_of
from chassis.envelope import Cause, PublishedEvent, RawMessage, encode, new_id
from chassis.inbox import Inbox, subscriptions_of
from chassis.jobs import keep_going
from chassis.publisher import KafkaPublisher
from chassis.relay import Relay
from chassis.testing import eventually
from shop.testing import TestDatabase

EffectsIn = Callable[[Database], Awaitable[list[tuple[str, int]]]]
TOPIC = "things.thing.v1"


@pytest.fixture
async def topic(kafka: str, group: str) -> str:
    """The topic of things; the broker is shared, so tests use names and groups of their own."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    missing = {TOPIC, topic_of(group)} - set(await admin.list_topics())
    await admin.create_topics([NewTopic(name, num_partitions=4, replication_factor=1) for name in missing])
    await admin.close()
    return TOPIC


@pytest.fixture
def group() -> str:
    return f"things-{uuid4().hex[:8]}"


@pytest.fixture
def own_inbox(db: Database, effects: Any, group: str) -> Inbox:
    handlers = {"things.thing-counted.v1": effects.count}
    return Inbox(db, group, subscriptions_of(handlers), ["things.thing-renamed.v1"], retry_seconds=0)


@asynccontextmanager
async def consuming(inbox: Inbox, kafka: str) -> AsyncIterator[Consumer]:
    consumer = Consumer(inbox, kafka, batch_size=50)
    task = asyncio.create_task(keep_going("consumer", consumer.run, lambda: consumer.stopping))
    try:
        yield consumer
    finally:
        consumer.stop()
        await task


@asynccontextmanager
async def relaying(url: str, kafka: str) -> AsyncIterator[Relay]:
    publisher = KafkaPublisher(kafka, "/things")
    relay = Relay(url, publisher.send)
    task = asyncio.create_task(keep_going("relay", relay.run))
    try:
        yield relay
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await publisher.close()


async def publish(db: Database, events: list[PublishedEvent]) -> None:
    async with db.transaction() as tx:
        for event in events:
            tx.publish(event, cause=Cause.of_request(event.subject))


async def test_what_one_transaction_publishes_another_handles(
    project: TestDatabase,
    db: Database,
    own_inbox: Inbox,
    kafka: str,
    topic: str,
    thing_counted: Callable[[str, int], PublishedEvent],
    effects_in: EffectsIn,
) -> None:
    name = uuid4().hex
    async with relaying(project.url, kafka), consuming(own_inbox, kafka):
        await publish(db, [thing_counted(name, n) for n in range(20)])

        async def all_handled() -> None:
            assert [n for thing, n in await effects_in(db) if thing == name] == list(range(20))

        await eventually(all_handled, 20)


async def test_records_carry_the_attributes_of_cloudevents_in_binary_mode(
    project: TestDatabase,
    db: Database,
    kafka: str,
    topic: str,
    thing_counted: Callable[[str, int], PublishedEvent],
) -> None:
    name = uuid4().hex
    reader = AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await reader.start()
    try:
        async with relaying(project.url, kafka):
            await publish(db, [thing_counted(name, 7)])
            async with asyncio.timeout(20):
                record = await anext(r async for r in reader if r.key == name.encode())
    finally:
        await reader.stop()
    headers = dict(record.headers)
    assert record.value == f'{{"name":"{name}","number":7}}'.encode()
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_type"] == b"things.thing-counted.v1"
    assert headers["ce_source"] == b"/things"
    assert headers["ce_subject"] == headers["ce_correlationid"] == name.encode()
    assert headers["ce_dataschema"] == b"urn:shopfloor:schema:things.thing-counted:v1"
    assert headers["content-type"] == b"application/json"
    assert {"ce_id", "ce_time"} <= headers.keys()
    assert [header for header, _ in record.headers].count("traceparent") <= 1


async def test_garbage_on_a_topic_does_not_stop_the_consumer(
    db: Database,
    own_inbox: Inbox,
    kafka: str,
    topic: str,
    effects_in: EffectsIn,
    message: Callable[..., RawMessage],
) -> None:
    name = uuid4().hex
    good = message(name, 1)
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    await producer.send_and_wait(topic, b"\xff garbage", key=b"\xff")
    await producer.send_and_wait(topic, None, key=name.encode(), headers=[("ce_id", b"1")])
    await producer.send_and_wait(topic, good.value, key=good.key, headers=list(good.headers))
    await producer.stop()
    async with consuming(own_inbox, kafka):

        async def handled() -> None:
            assert (name, 1) in await effects_in(db)

        await eventually(handled, 20)


async def test_replicas_that_join_and_leave_handle_each_event_once_and_in_order(
    project: TestDatabase,
    db: Database,
    own_inbox: Inbox,
    kafka: str,
    topic: str,
    thing_counted: Callable[[str, int], PublishedEvent],
    effects_in: EffectsIn,
) -> None:
    names = [uuid4().hex for _ in range(12)]
    async with relaying(project.url, kafka), consuming(own_inbox, kafka):
        for n in range(6):
            await publish(db, [thing_counted(name, n) for name in names])
            async with consuming(own_inbox, kafka) as joined:

                async def assigned(joined: Consumer = joined) -> None:
                    assert joined.assigned

                await eventually(assigned, 20)
                await publish(db, [thing_counted(name, 100 + n) for name in names])

        async def all_handled() -> None:
            done = [effect for effect in await effects_in(db) if effect[0] in names]
            assert len(done) == 12 * len(names)

        await eventually(all_handled, 20)
    expected = [number for n in range(6) for number in (n, 100 + n)]
    done = await effects_in(db)
    for name in names:
        assert [number for thing, number in done if thing == name] == expected


def test_headers_without_a_cause_or_a_trace_leave_them_out() -> None:
    headers = encode(
        id=new_id(),
        source="/s",
        type="a.b.v1",
        subject="k",
        time=datetime.now(UTC),
        correlation_id="k",
        causation_id=None,
        traceparent=None,
    )
    assert not {"ce_causationid", "traceparent"} & {name for name, _ in headers}
