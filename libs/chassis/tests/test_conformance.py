"""What any transport between an outbox and an inbox must do. Each test runs once for each transport in TRANSPORTS.

A transport is two ends: one sends outbox rows and returns when they are durable, the other gives messages to an inbox
until it is stopped. Handlers, outbox and inbox know neither.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from chassis.errors import Unavailable
from chassis.events import Cause, PublishedEvent, RawMessage
from chassis.inbox import Inbox, Subscriptions
from chassis.kafka import Consumer, ConsumerSettings, KafkaPublisher
from chassis.kafka.consumer import ClientHooks
from chassis.local import LocalReader, NoRelay, ReaderSettings
from chassis.observability import tracing
from chassis.outbox import Database, Relay, shard_of
from chassis.supervisor import supervise
from chassis.tuning.fetch_together import fetch_together
from chassis.tuning.leave_while_joining import stop_and_leave
from libs.chassis.tests.local_topics import provide_topics
from shop_stack.kafka_access import KafkaAccess
from shop_stack.postgres import Server
from testkit import eventually
from testkit.databases import TestDatabase

EffectsIn = Callable[[Database], Awaitable[list[tuple[str, int]]]]
Counted = Callable[[str, int], PublishedEvent]
TOPIC = "things.thing.v1"
UUID_LENGTH = 36


class Receiving(Protocol):
    """The receiving end while it runs."""

    @property
    def is_assigned(self) -> bool:
        """Whether it gets messages."""


class Transport(Protocol):
    """What the suite asks of a transport."""

    def relaying(self, url: str) -> AbstractAsyncContextManager[Relay]:
        """Send what the outbox of a database holds, while the context lasts."""

    def receiving(self, inbox: Inbox) -> AbstractAsyncContextManager[Receiving]:
        """Give messages to an inbox while the context lasts; at its end, drain. Several share the work."""

    async def put(self, message: RawMessage) -> None:
        """Put a message on its topic as it is, past the outbox."""


@dataclass
class KafkaTransport:
    """Kafka, by way of aiokafka."""

    kafka: KafkaAccess

    @asynccontextmanager
    async def relaying(self, url: str) -> AsyncIterator[Relay]:
        publisher = KafkaPublisher(self.kafka.client, "/things")
        relay = Relay(url, publisher.send)
        task = asyncio.create_task(supervise("relay", relay.run))
        try:
            yield relay
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await publisher.close()

    @asynccontextmanager
    async def receiving(self, inbox: Inbox) -> AsyncIterator[Receiving]:
        settings = ConsumerSettings(self.kafka.client, batch_size=50)
        consumer = Consumer(inbox, settings, hooks=ClientHooks(started=fetch_together, stop=stop_and_leave))
        task = asyncio.create_task(supervise("consumer", consumer.run, consumer.stopping.is_set))
        try:
            yield consumer.assignment
        finally:
            consumer.stopping.set()
            await task

    async def put(self, message: RawMessage) -> None:
        producer = AIOKafkaProducer(**self.kafka.client)
        await producer.start()
        headers = list(message.headers)
        await producer.send_and_wait(message.topic, message.value, key=message.key, headers=headers)
        await producer.stop()


@dataclass
class LocalTransport:
    """The outbox of a module in the same database, which the reader of another module reads."""

    project: TestDatabase

    @asynccontextmanager
    async def relaying(self, url: str) -> AsyncIterator[Relay]:
        relay = NoRelay(url)
        task = asyncio.create_task(supervise("relay", relay.run))
        try:
            yield relay
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @asynccontextmanager
    async def receiving(self, inbox: Inbox) -> AsyncIterator[Receiving]:
        reader = LocalReader(inbox, {TOPIC}, ReaderSettings(self.project.url, batch_size=50))
        task = asyncio.create_task(supervise("reader", reader.run, reader.stopping.is_set))
        try:
            yield reader
        finally:
            reader.stop()
            await task

    async def put(self, message: RawMessage) -> None:
        """Write a row, as any program with the owner's rights could. A row has texts and never raw bytes."""
        headers = dict(message.headers)
        text = {name: (value or b"").decode(errors="replace") for name, value in headers.items()}
        key = (message.key or b"").decode(errors="replace")
        connection = await asyncpg.connect(self.project.url)
        await connection.execute(
            "INSERT INTO outbox (shard, event_id, topic, key, type, time, correlation_id, data)"
            " VALUES ($1, $2, $3, $4, $5, now(), $4, $6)",
            shard_of(key),
            UUID(text["ce_id"]) if len(text.get("ce_id", "")) == UUID_LENGTH else uuid4(),
            message.topic,
            key,
            text.get("ce_type", ""),
            (message.value or b"").decode(errors="replace"),
        )
        await connection.close()


async def local_transport(kafka: KafkaAccess, group: str, project: TestDatabase, server: Server) -> Transport:
    await provide_topics(server, project)
    return LocalTransport(project)


async def kafka_transport(kafka: KafkaAccess, group: str, project: TestDatabase, server: Server) -> Transport:
    admin = AIOKafkaAdminClient(**kafka.client)
    await admin.start()
    missing = {TOPIC, f"{group}.dead-letters"} - set(await admin.list_topics())
    await admin.create_topics([NewTopic(name, num_partitions=4, replication_factor=1) for name in missing])
    await admin.close()
    return KafkaTransport(kafka)


TRANSPORTS = {"kafka": kafka_transport, "local": local_transport}


@pytest.fixture
def group() -> str:
    """The broker is shared, so each test has a consumer group of its own."""
    return f"things-{uuid4().hex[:8]}"


@pytest.fixture(params=TRANSPORTS)
async def transport(
    request: pytest.FixtureRequest,
    kafka: KafkaAccess,
    group: str,
    project: TestDatabase,
    postgres_server: Server,
) -> Transport:
    return await TRANSPORTS[request.param](kafka, group, project, postgres_server)


@pytest.fixture
def own_inbox(db: Database, subscriptions: Subscriptions, group: str) -> Inbox:
    counted, renamed = subscriptions.by_type.values()
    return Inbox(
        db,
        group,
        Subscriptions(
            {counted.model: counted.handler}, ignored={renamed.model.topic: [renamed.model.event_type]}
        ),
        retries_at_once=True,
    )


async def publish(db: Database, events: list[PublishedEvent]) -> None:
    async with db.transaction() as tx:
        for event in events:
            tx.publish(event, cause=Cause(None, event.subject, None))


async def numbers_of(name: str, effects: list[tuple[str, int]]) -> list[int]:
    return [number for thing, number in effects if thing == name]


async def test_what_one_transaction_publishes_another_handles_in_order(
    transport: Transport,
    project: TestDatabase,
    db: Database,
    own_inbox: Inbox,
    thing_counted: Counted,
    effects_in: EffectsIn,
) -> None:
    name = uuid4().hex
    async with transport.relaying(project.url), transport.receiving(own_inbox):
        await publish(db, [thing_counted(name, n) for n in range(20)])
        await publish(db, [thing_counted(name, n) for n in range(20, 30)])

        async def all_handled() -> None:
            assert await numbers_of(name, await effects_in(db)) == list(range(30))

        await eventually(all_handled, 20)


async def test_garbage_does_not_stop_the_receiving_end(
    transport: Transport,
    db: Database,
    own_inbox: Inbox,
    effects_in: EffectsIn,
    message: Callable[..., RawMessage],
) -> None:
    name = uuid4().hex
    await transport.put(RawMessage(TOPIC, (0, 0), b"\xff", b"\xff garbage", []))
    await transport.put(RawMessage(TOPIC, (0, 0), name.encode(), None, [("ce_id", b"1")]))
    await transport.put(message(name, 1))
    async with transport.receiving(own_inbox):

        async def handled() -> None:
            assert (name, 1) in await effects_in(db)

        await eventually(handled, 20)


async def test_a_batch_whose_dependency_is_away_comes_again_until_it_is_handled(
    transport: Transport,
    db: Database,
    own_inbox: Inbox,
    effects: Any,
    effects_in: EffectsIn,
    message: Callable[..., RawMessage],
) -> None:
    name = uuid4().hex
    refused: list[int] = []

    def fails(thing: str, number: int) -> Exception | None:
        if thing != name or len(refused) >= 3:
            return None
        refused.append(number)
        return Unavailable("the other company is closed")

    effects.fails = fails
    for n in range(3):
        await transport.put(message(name, n))
    async with transport.receiving(own_inbox):

        async def handled() -> None:
            assert await numbers_of(name, await effects_in(db)) == [0, 1, 2]

        await eventually(handled, 20)
    assert len(refused) == 3


async def test_an_end_that_comes_back_goes_on_where_it_was_and_doubles_nothing(
    transport: Transport,
    project: TestDatabase,
    db: Database,
    own_inbox: Inbox,
    thing_counted: Counted,
    effects_in: EffectsIn,
) -> None:
    name = uuid4().hex
    async with transport.relaying(project.url):
        for n in range(3):
            async with transport.receiving(own_inbox):
                await publish(db, [thing_counted(name, n)])

                async def handled(expected: int = n + 1) -> None:
                    assert len(await numbers_of(name, await effects_in(db))) == expected

                await eventually(handled, 20)
    assert await numbers_of(name, await effects_in(db)) == [0, 1, 2]


async def test_replicas_that_join_and_leave_handle_each_event_once_and_in_order(
    transport: Transport,
    project: TestDatabase,
    db: Database,
    own_inbox: Inbox,
    thing_counted: Counted,
    effects_in: EffectsIn,
) -> None:
    names = [uuid4().hex for _ in range(12)]
    async with transport.relaying(project.url), transport.receiving(own_inbox):
        for n in range(6):
            await publish(db, [thing_counted(name, n) for name in names])
            async with transport.receiving(own_inbox) as joined:

                async def assigned(joined: Receiving = joined) -> None:
                    assert joined.is_assigned

                await eventually(assigned, 20)
                await publish(db, [thing_counted(name, 100 + n) for name in names])

        async def all_handled() -> None:
            done = [effect for effect in await effects_in(db) if effect[0] in names]
            assert len(done) == 12 * len(names)

        await eventually(all_handled, 30)
    expected = [number for n in range(6) for number in (n, 100 + n)]
    done = await effects_in(db)
    for name in names:
        assert await numbers_of(name, done) == expected


async def test_kafka_carries_the_attributes_of_cloudevents_in_binary_mode(
    project: TestDatabase,
    db: Database,
    kafka: KafkaAccess,
    postgres_server: Server,
    group: str,
    thing_counted: Counted,
) -> None:
    transport = await kafka_transport(kafka, group, project, postgres_server)
    name = uuid4().hex
    reader = AIOKafkaConsumer(TOPIC, **kafka.client, auto_offset_reset="earliest")
    await reader.start()
    try:
        async with transport.relaying(project.url):
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
    assert "ce_causationid" not in headers
    assert [header for header, _ in record.headers].count("traceparent") == (
        1 if tracing.current_traceparent() else 0
    )
