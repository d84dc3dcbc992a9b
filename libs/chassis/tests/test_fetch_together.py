"""`chassis.tuning.fetch_together`: partitions without records do not delay those that have some."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.protocol.fetch import FetchRequest

from chassis.kafka import Consumer, ConsumerSettings
from chassis.kafka.consumer import ClientHooks, create_client, leave_as_is
from chassis.tuning.fetch_together import fetch_together
from libs.chassis.tests.kafka_doubles import FakeInbox
from shop_stack.kafka_access import KafkaAccess
from testkit import eventually

LONGER_THAN_THE_TEST_MS = 30_000


@dataclass
class Reader:
    """A consumer of a topic of its own that gets records, and of one that gets none."""

    kafka: KafkaAccess
    is_tuned: bool
    busy: str = field(default_factory=lambda: f"things.{uuid4().hex[:8]}.v1")
    idle: str = field(default_factory=lambda: f"things.{uuid4().hex[:8]}.v1")
    fetches: list[set[str]] = field(default_factory=list)
    """The topics of each fetch that was sent."""
    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.inbox = FakeInbox(self.busy, self.idle, group=self.busy)
        self.inbox.on_batch = self.may_go_on.wait
        hooks = ClientHooks(create=self._create, started=fetch_together if self.is_tuned else leave_as_is)
        settings = ConsumerSettings(kafka=self.kafka.client, fetch_max_wait_ms=LONGER_THAN_THE_TEST_MS)
        self.consumer = Consumer(self.inbox, settings, hooks=hooks)

    def _create(self, settings: ConsumerSettings, group: str) -> AIOKafkaConsumer:
        self.client = create_client(settings, group)
        send = self.client._client.send

        async def noted(node: int, request: Any, **how: Any) -> Any:
            if isinstance(request, FetchRequest):
                self.fetches.append({topic for topic, _ in request.topics})
            return await send(node, request, **how)

        self.client._client.send = noted
        return self.client

    async def is_ready(self) -> None:
        assert self.consumer.assignment.is_assigned
        assert len(self.client.assignment()) == 2

    async def holds(self, records: int) -> None:
        """The client has fetched so many records, whether the inbox has them yet or not."""
        assert self.client.highwater(TopicPartition(self.busy, 0)) == records

    async def has_taken(self, records: int) -> None:
        assert len(self.inbox.values) == records

    async def has_asked_for_the_idle_topic_alone(self) -> None:
        assert self.fetches[-1] == {self.idle}, "aiokafka fetches all together by itself: remove the tuning"


async def test_idle_partitions_do_not_delay_busy_ones_after_a_long_batch(
    kafka: KafkaAccess, kafka_admin: AIOKafkaAdminClient
) -> None:
    """Fails when aiokafka no longer needs the tuning: then the reader without it is not delayed either."""
    tuned = Reader(kafka, is_tuned=True)
    plain = Reader(kafka, is_tuned=False)
    readers = (tuned, plain)
    topics = [topic for reader in readers for topic in (reader.busy, reader.idle)]
    await kafka_admin.create_topics([NewTopic(topic, 1, 1) for topic in topics])
    running = [asyncio.create_task(reader.consumer.run()) for reader in readers]
    async with AIOKafkaProducer(**kafka.client) as producer:
        for reader in readers:
            await eventually(reader.is_ready, 20)
            await producer.send_and_wait(reader.busy, b"in hand")
            await eventually(partial(reader.has_taken, 1))
            await producer.send_and_wait(reader.busy, b"behind it")
            await eventually(partial(reader.holds, 2))
        # The tuned reader has held its record for longer than the plain one when this is so.
        await eventually(plain.has_asked_for_the_idle_topic_alone)
        for reader in readers:
            reader.may_go_on.set()
            await eventually(partial(reader.has_taken, 2))
        await producer.send_and_wait(plain.busy, b"later")
        await producer.send_and_wait(tuned.busy, b"later")
        await eventually(partial(tuned.has_taken, 3))
    assert tuned.inbox.values == [b"in hand", b"behind it", b"later"]
    assert plain.inbox.values == [b"in hand", b"behind it"]
    for reader in readers:
        reader.consumer.stopping.set()
    await asyncio.gather(*running)
    await kafka_admin.delete_topics(topics)
