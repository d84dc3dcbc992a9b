"""What the publisher says of rows that it cannot send, with a real broker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any
from unittest import mock
from uuid import uuid4

import pytest
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from sqlalchemy import text
from structlog.testing import capture_logs

from chassis.errors import Unavailable
from chassis.events import Cause
from chassis.kafka import KafkaPublisher, publisher
from chassis.kafka.producer_hooks import ProducerHooks, leave_as_is
from chassis.outbox import Database, Fence, OutboxRow, Relay, RowsNotSent, UnsentReason
from chassis.outbox.rows import new_row
from chassis.tuning import planner
from chassis.tuning.fence_requests import fence_requests
from chassis.tuning.stop_without_flush import stop_without_flush
from shop_stack.kafka_access import KafkaAccess
from testkit import eventually
from testkit.databases import TestDatabase

MakeTopic = Callable[..., Awaitable[str]]
HOOKS = ProducerHooks(created=fence_requests, stop=stop_without_flush)


@pytest.fixture(autouse=True)
def _short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "TOPIC_SECONDS", 0.5)
    monkeypatch.setattr(publisher, "SEND_SECONDS", 3.0)


@pytest.fixture
async def make_topic(kafka_admin: AIOKafkaAdminClient) -> AsyncIterator[MakeTopic]:
    made: list[str] = []

    async def make(**config: str) -> str:
        name = f"things.{uuid4().hex[:8]}.v1"
        await kafka_admin.create_topics([NewTopic(name, 2, 1, topic_configs=config)])
        made.append(name)

        async def is_known() -> None:
            [description] = await kafka_admin.describe_topics([name])
            assert description["error_code"] == 0
            assert all(partition["leader"] >= 0 for partition in description["partitions"])

        await eventually(is_known, 30)
        return name

    yield make
    await kafka_admin.delete_topics(made)


@pytest.fixture
async def to_kafka(kafka: KafkaAccess) -> AsyncIterator[KafkaPublisher]:
    opened = KafkaPublisher(kafka.client, "/things", hooks=HOOKS)
    yield opened
    await opened.close()


def _row(topic: str, key: str, data: str = "{}") -> OutboxRow:
    return new_row(topic, key, "things.thing-counted.v1", Cause(None, key, None), data)


async def _values(kafka: KafkaAccess, topic: str) -> list[str]:
    """All values on a topic; of one key in their order."""
    async with AIOKafkaConsumer(
        topic, **kafka.client, auto_offset_reset="earliest", group_id=None
    ) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        values: list[str] = []
        for partition, end in ends.items():
            while await consumer.position(partition) < end:
                record = await consumer.getone(partition)
                values.append(record.value.decode())
        return values


async def test_a_missing_topic_delays_its_own_rows_and_no_others(
    kafka: KafkaAccess, to_kafka: KafkaPublisher, make_topic: MakeTopic
) -> None:
    topic = await make_topic()
    copies = [_row("missing.dead-letters", "a"), _row("missing.dead-letters", "b")]
    with pytest.raises(RowsNotSent) as caught:
        await to_kafka.send([copies[0], _row(topic, "a", "1"), copies[1], _row(topic, "a", "2")])
    assert [each.row for each in caught.value.unsent] == copies
    assert {each.reason for each in caught.value.unsent} == {UnsentReason.TOPIC_UNAVAILABLE}
    assert await _values(kafka, topic) == ["1", "2"]


async def test_a_topic_that_is_deleted_meanwhile_delays_its_own_rows_and_no_others(
    kafka: KafkaAccess, to_kafka: KafkaPublisher, make_topic: MakeTopic, kafka_admin: AIOKafkaAdminClient
) -> None:
    topic = await make_topic()
    deleted = await make_topic()
    await to_kafka.send([_row(topic, "a", "1"), _row(deleted, "a", "1")])
    await kafka_admin.delete_topics([deleted])

    async def is_deleted() -> None:
        assert deleted not in await kafka_admin.list_topics()

    # Kafka answers before its broker has deleted the topic.
    await eventually(is_deleted)
    with pytest.raises(RowsNotSent) as caught:
        await to_kafka.send([_row(deleted, "a", "2"), _row(topic, "a", "2")])
    found = [(each.row.topic, each.reason) for each in caught.value.unsent]
    assert found == [(deleted, UnsentReason.TOPIC_UNAVAILABLE)]
    assert await _values(kafka, topic) == ["1", "2"]
    await to_kafka.close()

    async def nothing_is_left_of_the_producer() -> None:
        assert [task for task in asyncio.all_tasks() if "Sender" in repr(task.get_coro())] == []

    await eventually(nothing_is_left_of_the_producer)


async def test_a_page_does_not_wait_for_a_topic_that_acknowledges_nothing(
    kafka: KafkaAccess, make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client tries a topic without a leader until the topic's deadline, which never comes in this test."""
    monkeypatch.setattr(publisher, "SEND_SECONDS", 3_600.0)
    monkeypatch.setattr(publisher, "LATE_SECONDS", 0.5)
    topic = await make_topic()
    stuck = await make_topic()

    def without_leader(producer: AIOKafkaProducer, may_send: Callable[[], bool]) -> None:
        send = producer.send

        async def send_or_wait(to: str, *values: Any, **more: Any) -> asyncio.Future[Any]:
            if to == stuck:
                return asyncio.get_running_loop().create_future()
            delivery: asyncio.Future[Any] = await send(to, *values, **more)
            return delivery

        producer.send = send_or_wait

    to_kafka = KafkaPublisher(kafka.client, "/things", hooks=replace(HOOKS, created=without_leader))
    with pytest.raises(RowsNotSent) as caught:
        await to_kafka.send([_row(stuck, "a", "copy"), _row(topic, "a", "event")])
    await to_kafka.close()
    found = [(each.row.topic, each.reason) for each in caught.value.unsent]
    assert found == [(stuck, UnsentReason.TOPIC_UNAVAILABLE)]
    assert await _values(kafka, topic) == ["event"]


async def test_a_row_that_the_client_refuses_is_named_and_holds_its_key(
    kafka: KafkaAccess, to_kafka: KafkaPublisher, make_topic: MakeTopic
) -> None:
    topic = await make_topic()
    big = _row(topic, "a", "x" * 2_000_000)
    with pytest.raises(RowsNotSent) as caught:
        await to_kafka.send([big, _row(topic, "a", "behind"), _row(topic, "b", "other")])
    assert [each.reason for each in caught.value.unsent] == [UnsentReason.REFUSED, UnsentReason.EARLIER_ROW]
    assert caught.value.unsent[0].row is big
    assert await _values(kafka, topic) == ["other"]


async def test_a_row_on_which_the_client_fails_is_named_in_the_log(
    kafka: KafkaAccess, to_kafka: KafkaPublisher, make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a bug, and an operator has to find the row before it can be set aside."""
    monkeypatch.setattr(publisher, "encode", mock.Mock(side_effect=TypeError("a bug")))
    monkeypatch.setattr(publisher, "log", structlog.get_logger())
    row = _row(await make_topic(), "a")
    with capture_logs() as logs, pytest.raises(TypeError):
        await to_kafka.send([row])
    (line,) = (line for line in logs if line["event"] == "relay.row_failed")
    assert line["event_id"] == str(row.event_id)


async def test_a_row_that_the_broker_refuses_ends_aside_and_all_others_are_sent(
    kafka: KafkaAccess, to_kafka: KafkaPublisher, make_topic: MakeTopic, project: TestDatabase, db: Database
) -> None:
    topic = await make_topic(**{"max.message.bytes": "3000"})
    async with db.transaction() as tx:
        for n in range(30):
            data = "x" * 5_000 if n == 10 else f"{n}"
            tx.rows.append(_row(topic, f"key-{n % 5}", data))
    relay = Relay(project.url, to_kafka.send, poll_seconds=0.05, server_settings=planner.RELAY_SETTINGS)
    running = asyncio.create_task(relay.run())

    async def all_but_one_key() -> None:
        found = await _values(kafka, topic)
        expected = [n for n in range(30) if n % 5 != 0 or n < 10]
        assert sorted(map(int, found)) == expected

    await eventually(all_but_one_key, 30)
    async with db.reading() as connection:
        states = await connection.rows(text("SELECT state, error FROM outbox_set_aside ORDER BY id"))
    running.cancel()
    await asyncio.wait([running])
    assert [row.state for row in states] == ["REFUSED", "DELAYED", "DELAYED", "DELAYED"]
    assert "Large" in states[0].error


async def test_while_kafka_is_away_no_topic_is_to_blame() -> None:
    away = KafkaPublisher({"bootstrap_servers": "127.0.0.1:1"}, "/things")
    with pytest.raises(Unavailable):
        await away.send([_row("t", "a")])


async def test_behind_a_closed_fence_nothing_is_sent(kafka: KafkaAccess, make_topic: MakeTopic) -> None:
    topic = await make_topic()
    fence = Fence()
    fenced = KafkaPublisher(kafka.client, "/things", fence, HOOKS)
    await fenced.send([_row(topic, "a", "before")])
    fence.close()
    with pytest.raises(Unavailable):
        await fenced.send([_row(topic, "a", "after")])
    await fenced.close()
    assert await _values(kafka, topic) == ["before"]


@pytest.mark.parametrize(
    ("hooks", "sent"),
    [
        (HOOKS, ["before", "next"]),
        (replace(HOOKS, created=leave_as_is), ["before", "cancelled", "next"]),
    ],
    ids=["fenced", "plain"],
)
async def test_rows_of_a_cancelled_call_are_not_sent_later(
    kafka: KafkaAccess, make_topic: MakeTopic, hooks: ProducerHooks, sent: list[str]
) -> None:
    """`plain` fails when aiokafka drops buffered records itself: then `chassis.tuning.fence_requests` is needless."""
    topic = await make_topic()
    to_kafka = KafkaPublisher(kafka.client, "/things", hooks=hooks)
    await to_kafka.send([_row(topic, "a", "before")])
    client: Any = (await to_kafka._connected()).client
    may_go_on = asyncio.Event()
    is_asked = asyncio.Event()
    send = client.send

    async def send_late(node_id: object, request: object, **options: object) -> object:
        is_asked.set()
        await may_go_on.wait()
        return await send(node_id, request, **options)

    client.send = send_late
    sending = asyncio.create_task(to_kafka.send([_row(topic, "a", "cancelled")]))
    await is_asked.wait()
    sending.cancel()
    await asyncio.wait([sending])
    may_go_on.set()
    await to_kafka.close()
    await to_kafka.send([_row(topic, "a", "next")])
    await to_kafka.close()
    assert await _values(kafka, topic) == sent
