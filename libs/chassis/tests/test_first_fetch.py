"""A consumer is `ok` when Kafka has answered its first fetch: a right to read is needed for nothing before."""

import asyncio
from dataclasses import replace

from chassis.kafka import Assignment, Consumer, ConsumerSettings
from chassis.kafka.consumer import ClientHooks
from chassis.observability.status import TaskStatus
from chassis.supervisor import cancel_and_wait, supervise
from libs.chassis.tests.kafka_doubles import PARTITION, CreatedClients, FakeClient, FakeInbox, hooks_for
from libs.chassis.tests.kafka_user import User
from shop_stack import kafka_users, topics
from shop_stack.rights import Operation, Resource, Right
from shop_stack.topics import Topic
from testkit import eventually

SECONDS = 40
TRIES = 3


class NotedStatus(TaskStatus):
    """A status that notes its texts."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def set(self, text: str) -> None:
        super().set(text)
        self.texts.append(self.text)


async def test_a_consumer_is_ok_only_when_its_first_fetch_is_answered() -> None:
    client = FakeClient()
    client.is_answered = False
    settings = ConsumerSettings(kafka={"bootstrap_servers": "127.0.0.1:1"}, poll_ms=10)
    consumer = Consumer(FakeInbox(), settings, hooks=hooks_for(client))
    run = asyncio.create_task(consumer.run())
    await consumer.on_partitions_assigned([PARTITION])

    async def has_polled() -> None:
        assert client.fetches >= 3

    async def is_ok() -> None:
        assert consumer.assignment.status.text == "ok"

    await eventually(has_polled)
    assert consumer.assignment.status.text == "makes its first fetch"
    client.is_answered = True
    await eventually(is_ok)
    await consumer.on_partitions_revoked([PARTITION])
    assert consumer.assignment.status.text == "joins its group"
    consumer.stopping.set()
    await run


async def test_a_consumer_that_lacks_a_right_says_so_in_each_new_try_until_it_has_the_right(
    user: User,
) -> None:
    """It has another topic that it may read: then the broker sends the refusal only after `fetch_max_wait_ms`."""
    readable = replace(user, topic=f"{user.topic}.readable")
    await topics.declare(user.admin, [Topic(readable.topic, 1, {"cleanup.policy": "delete"})])
    group = Right(user.name, Resource.GROUP, user.name, Operation.READ)
    both = [Right(user.name, Resource.TOPIC, each.topic, Operation.READ) for each in (user, readable)]
    described = replace(both[0], operation=Operation.DESCRIBE)
    await kafka_users.ensure(user.admin, [user.login], [group, described, both[1]])
    clients = CreatedClients()
    status = NotedStatus()
    consumer = Consumer(
        FakeInbox(user.topic, readable.topic, group=user.name),
        ConsumerSettings(kafka=user.login.client, fetch_max_wait_ms=500, poll_ms=100),
        assignment=Assignment(status=status),
        hooks=ClientHooks(create=clients.create),
    )
    running = asyncio.create_task(supervise("consumer", consumer.run, status=status))
    missing = f"waits for kafka: the Kafka user {user.name} lacks the right Read on the topic {user.topic}."

    async def has_tried_again() -> None:
        assert len(clients.all) > TRIES

    async def is_ok() -> None:
        assert status.text == "ok"

    await eventually(has_tried_again, SECONDS)
    first, *later = [text for text in status.texts if not text.startswith(("joins", "makes"))]
    assert first.startswith(missing), status.texts
    assert set(later) == {first}
    assert status.texts[status.texts.index(first) :] == [first, *later]
    await kafka_users.ensure(user.admin, [user.login], [group, *both])
    await eventually(is_ok, SECONDS)
    await cancel_and_wait(running)
