"""`chassis.tuning.leave_while_joining`: a consumer that ends while it waits to join does not delay its group."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from fastapi import APIRouter
from pydantic import SecretStr

import chassis.kafka.consumer
import chassis.transports
from chassis.errors import Unavailable
from chassis.kafka import Consumer, ConsumerSettings
from chassis.kafka.consumer import ClientHooks, stop_client
from chassis.service import build_service
from chassis.settings import ServiceSettings
from chassis.tuning import leave_while_joining
from chassis.tuning.leave_while_joining import stop_and_leave
from libs.chassis.tests.kafka_doubles import CreatedClients, FakeInbox, subscriptions_to
from shop_stack.kafka_access import KafkaAccess
from testkit import eventually

StopHook = Callable[[AIOKafkaConsumer, str], Coroutine[Any, Any, None]]
LONGER_THAN_THE_TEST_MS = 120_000


class CountingConsumer(Consumer):
    """Counts how often the group was divided."""

    divisions = 0

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:  # type: ignore[override]
        await super().on_partitions_assigned(assigned)
        self.divisions += 1


async def members_of(group: str, kafka_admin: AIOKafkaAdminClient) -> int:
    """How many members the broker counts that have joined, or wait to join."""
    (answer,) = await kafka_admin.describe_consumer_groups([group])
    ((_, _, _, _, _, members, *_),) = answer.groups
    return len(members)


@pytest.mark.parametrize(("stop", "partitions"), [(stop_and_leave, 2), (stop_client, 1)])
async def test_a_consumer_that_ends_while_it_waits_to_join_does_not_delay_its_group(
    kafka: KafkaAccess, kafka_admin: AIOKafkaAdminClient, stop: StopHook, partitions: int
) -> None:
    """Fails when aiokafka no longer needs the tuning: then its own way leaves no partition to the member that is gone.

    With it the member that stays has both partitions; without it one of them waits until a session of two minutes ends.
    """
    topic = f"things.{uuid4().hex[:8]}.v1"
    await kafka_admin.create_topics([NewTopic(topic, 2, 1)])
    address = kafka.client
    staying_clients = CreatedClients()
    inbox = FakeInbox(topic, group=topic)
    batch_may_end = asyncio.Event()
    inbox.on_batch = batch_may_end.wait
    staying = CountingConsumer(
        inbox,
        ConsumerSettings(kafka=address, session_timeout_ms=6_000),
        hooks=ClientHooks(create=staying_clients.create),
    )
    leaving_clients = CreatedClients()
    leaving = Consumer(
        FakeInbox(topic, group=topic),
        ConsumerSettings(kafka=address, session_timeout_ms=LONGER_THAN_THE_TEST_MS, commit_timeout_seconds=1),
        hooks=ClientHooks(create=leaving_clients.create, stop=stop),
    )

    async def has(count: int) -> None:
        assert staying.assignment.is_assigned
        assert len(staying_clients.last.assignment()) == count

    async def has_batch_in_hand() -> None:
        assert len(inbox.batches) == 1

    async def both_are_members() -> None:
        assert await members_of(topic, kafka_admin) == 2

    async def is_divided_again(before: int) -> None:
        assert staying.divisions > before

    running = asyncio.create_task(staying.run())
    await eventually(lambda: has(2), 20)
    divisions = staying.divisions
    async with AIOKafkaProducer(**kafka.client) as producer:
        await producer.send_and_wait(topic, b"in hand")
    await eventually(has_batch_in_hand)  # no member joins before the batch is done
    joining = asyncio.create_task(leaving.run())
    await eventually(both_are_members, 20)
    joining.cancel()
    await asyncio.wait([joining])
    await leaving_clients.last._client.close()  # as the end of its process would
    batch_may_end.set()
    await eventually(lambda: is_divided_again(divisions), 20)
    await eventually(lambda: has(partitions), 20)
    staying.stopping.set()
    await running
    await kafka_admin.delete_topics([topic])


class JoiningClient:
    """An aiokafka consumer that waits to join: its `stop` ends when the broker has answered `LeaveGroup`."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()
        self.is_stopping = False
        self.requests: list[Any] = []
        self.member_id = "things-0-7"
        self.coordinator_id = 1
        self._coordinator = self
        self._client = self

    def subscribe(self, topics: list[str], listener: object) -> None:
        """The group is joined by `start`."""

    async def start(self) -> None:
        raise Unavailable("the process ends while the client waits to join")

    async def stop(self) -> None:
        self.is_stopping = True
        await self.answered.wait()

    async def send(self, node: int, request: Any, **how: Any) -> None:
        self.requests.append(request)
        self.answered.set()


@pytest.mark.parametrize(
    ("name", "tuning_off", "requests"),
    [(None, "", 1), ("things-0", "", 0), (None, "leave_while_joining", 0)],
)
async def test_a_static_member_keeps_its_place_in_the_group_when_it_ends(
    monkeypatch: pytest.MonkeyPatch, name: str | None, tuning_off: str, requests: int
) -> None:
    client = JoiningClient()

    async def accept(*_: object) -> None:
        """The topics' retention is not looked at."""

    monkeypatch.setattr(leave_while_joining, "JOINED_SECONDS", 0.01)
    monkeypatch.setattr(chassis.kafka.consumer, "AIOKafkaConsumer", lambda **_: client)
    monkeypatch.setattr(chassis.transports, "check_retention", accept)
    service = build_service(
        ServiceSettings(
            service_name="things",
            database_url=SecretStr("postgresql://nowhere/things"),
            kafka_bootstrap_servers="127.0.0.1:1",
            kafka_group_instance_id=name,
            tuning_off=tuning_off,
        ),
        router=APIRouter(),
        subscriptions=subscriptions_to("things.thing.v1"),
    )
    assert service.runtime.consumer is not None
    run = asyncio.create_task(service.runtime.consumer.run())

    async def is_stopping() -> None:
        assert client.is_stopping

    await eventually(is_stopping)
    if requests == 0:
        await asyncio.wait([run], timeout=0.1)
        client.answered.set()
    with pytest.raises(Unavailable):
        await run
    assert len(client.requests) == requests
