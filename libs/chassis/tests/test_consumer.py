"""The consumer: what it does when Kafka or a dependency is unavailable, during a rebalance, and between batches."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from prometheus_client import REGISTRY

from chassis.backoff import Backoff
from chassis.errors import Unavailable
from chassis.kafka import Consumer, ConsumerSettings
from chassis.kafka.consumer import ClientHooks
from chassis.kafka.offsets import MAX_UNANSWERED
from libs.chassis.tests.kafka_doubles import (
    COUNTED,
    PARTITION,
    RENAMED,
    CreatedClients,
    FakeClient,
    FakeInbox,
    Fetched,
    hooks_for,
)
from shop_stack.kafka_access import KafkaAccess
from testkit import eventually

NOWHERE = KafkaAccess("127.0.0.1:1")


def settings(kafka: KafkaAccess = NOWHERE, **more: Any) -> ConsumerSettings:
    """With fetches that wait for 10 ms."""
    return ConsumerSettings(**{"kafka": kafka.client, "poll_ms": 10, **more})


@asynccontextmanager
async def running(consumer: Consumer) -> AsyncIterator[asyncio.Task[None]]:
    """The consumer runs inside the block, and is stopped in an orderly way at its end."""
    task = asyncio.create_task(consumer.run())
    yield task
    consumer.stopping.set()
    async with asyncio.timeout(10):
        await task


async def fetched(client: FakeClient, times: int) -> None:
    assert client.fetches >= times


async def test_a_client_that_answers_no_commits_is_replaced_by_a_new_one() -> None:
    class SilentClient(FakeClient):
        async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
            self.commits += 1
            await asyncio.Event().wait()

    silent = SilentClient([COUNTED])
    answering = FakeClient([COUNTED])
    inbox = FakeInbox()
    timings = settings(commit_interval_seconds=0.01, commit_timeout_seconds=0.01)
    consumer = Consumer(inbox, timings, hooks=hooks_for(silent, answering))
    with pytest.raises(Unavailable):
        async with asyncio.timeout(10):
            await consumer.run()
    assert silent.commits >= MAX_UNANSWERED
    assert silent.is_stopped
    async with running(consumer):
        await eventually(lambda: fetched(answering, 2))
    assert answering.committed == {PARTITION: 1}
    assert answering.is_stopped


async def test_offsets_are_committed_only_after_the_inbox_has_taken_the_batch() -> None:
    client = FakeClient([COUNTED])
    inbox = FakeInbox()
    committed_before: list[int] = []

    consumer = Consumer(inbox, settings(), hooks=hooks_for(client))

    async def note() -> None:
        await consumer._offsets.commit()  # the regular commit, which may be due while a batch is in hand
        committed_before.append(client.commits)

    inbox.on_batch = note
    async with running(consumer):
        await eventually(lambda: fetched(client, 2))
    assert committed_before == [0]
    assert client.committed == {PARTITION: 1}


async def test_a_batch_that_the_inbox_has_in_hand_is_a_part_of_the_lag() -> None:
    class ReadToTheEnd(FakeClient):
        def highwater(self, partition: TopicPartition) -> int:
            return 2

        async def position(self, partition: TopicPartition) -> int:
            return 2

    inbox = FakeInbox()
    consumer = Consumer(inbox, settings(), hooks=hooks_for(client := ReadToTheEnd([COUNTED, COUNTED])))
    waiting: list[float | None] = []

    async def look() -> None:
        await consumer.lag.measure()
        waiting.append(REGISTRY.get_sample_value("chassis_consumer_lag_messages", {"topic": PARTITION.topic}))

    inbox.on_batch = look
    async with running(consumer):
        await eventually(lambda: fetched(client, 2))
        await look()
    assert waiting == [2, 0]


async def test_a_rebalance_does_not_wait_for_the_pause_after_an_outage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def away() -> None:
        raise Unavailable("the other company is closed")

    monkeypatch.setattr(Backoff, "pause", lambda *_: 1_000.0)
    client = FakeClient([COUNTED])
    inbox = FakeInbox()
    inbox.on_batch = away
    consumer = Consumer(inbox, settings(), hooks=hooks_for(client))

    async def given_back() -> None:
        assert client.sought == [0]

    async with running(consumer) as run:
        await eventually(given_back)
        async with asyncio.timeout(1):
            await consumer.on_partitions_revoked([PARTITION])
        assert not run.done()
        assert client.fetches == 1
    assert client.committed == {}


async def test_an_error_of_the_inbox_gives_the_batch_back_and_ends_the_run() -> None:
    async def fail() -> None:
        raise ValueError("a fault of the code")

    client = FakeClient([COUNTED, COUNTED])
    inbox = FakeInbox()
    inbox.on_batch = fail
    with pytest.raises(ValueError, match="a fault of the code"):
        await Consumer(inbox, settings(), hooks=hooks_for(client)).run()
    assert client.sought == [1, 0]
    assert client.committed == {}
    assert client.is_stopped


@pytest.mark.parametrize(("batch_size", "lingers"), [(1, False), (2, True)])
async def test_the_consumer_lingers_after_a_batch_that_was_not_full(batch_size: int, lingers: bool) -> None:
    client = FakeClient([COUNTED])
    inbox = FakeInbox()
    consumer = Consumer(inbox, settings(batch_size=batch_size, linger_seconds=1_000), hooks=hooks_for(client))

    async def taken() -> None:
        assert len(inbox.batches) == 1

    async with running(consumer) as run:
        await eventually(taken)
        if lingers:
            await asyncio.wait([run], timeout=0.05)
            assert client.fetches == 1
        else:
            await eventually(lambda: fetched(client, 2))


async def test_without_records_nothing_is_taken_and_the_consumer_does_not_linger() -> None:
    client = FakeClient()
    inbox = FakeInbox()
    async with running(Consumer(inbox, settings(linger_seconds=1_000), hooks=hooks_for(client))):
        await eventually(lambda: fetched(client, 3))
    assert inbox.batches == []
    assert client.commits == 0


async def test_a_batch_gathered_around_a_rebalance_is_given_back_from_the_first() -> None:
    class RebalancedClient(FakeClient):
        async def getmany(self, *partitions: TopicPartition, timeout_ms: int, max_records: int) -> Fetched:
            if len(self.batches) == 1:
                await consumer.on_partitions_revoked([PARTITION])
            return await super().getmany(timeout_ms=timeout_ms, max_records=max_records)

    client = RebalancedClient([RENAMED, RENAMED], [COUNTED])
    inbox = FakeInbox()
    consumer = Consumer(inbox, settings(), hooks=hooks_for(client))
    async with running(consumer):
        await eventually(lambda: fetched(client, 3))
    assert inbox.batches == []
    assert client.sought[-1] == 0
    assert client.committed == {}


async def test_a_topic_that_was_missing_is_noticed_when_it_is_created(
    kafka: KafkaAccess, kafka_admin: AIOKafkaAdminClient
) -> None:
    topic = f"things.{uuid4().hex[:8]}.v1"
    clients = CreatedClients()
    hooks = ClientHooks(create=clients.create)
    timings = settings(kafka, metadata_max_age_ms=200, poll_ms=1_000)
    consumer = Consumer(FakeInbox(topic, group=topic), timings, hooks=hooks)

    async def has_partitions(count: int) -> None:
        assert consumer.assignment.is_assigned
        assert len(clients.last.assignment()) == count
        assert consumer.assignment.partitions == frozenset(range(count))

    new_topic = NewTopic(topic, num_partitions=2, replication_factor=1)
    await kafka_admin.create_topics([new_topic])
    async with running(consumer):
        await eventually(lambda: has_partitions(2), 20)
        await kafka_admin.delete_topics([topic])
        await eventually(lambda: has_partitions(0), 20)
        await kafka_admin.create_topics([new_topic])
        await eventually(lambda: has_partitions(2), 20)
        await kafka_admin.delete_topics([topic])
    assert not consumer.assignment.is_assigned
