"""What the consumer and the publisher do when Kafka or a dependency refuses."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import AsyncMock, Mock
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, KafkaTimeoutError
from aiokafka.structs import ConsumerRecord
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan
from pydantic import SecretStr

from chassis import consumer as consuming
from chassis.errors import Unavailable
from chassis.events import Cause, PublishedEvent, RawMessage
from chassis.inbox import Inbox
from chassis.kafka import Consumer, KafkaPublisher
from chassis.outbox.rows import row_of
from chassis.settings import ServiceSettings
from testkit import eventually

PARTITION = TopicPartition("things.thing.v1", 0)


class Broker:
    """An aiokafka consumer's side of things: commits fail as often as they are told to."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.committed: dict[TopicPartition, int] = {}
        self.sought: list[int] = []

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.committed |= offsets

    async def getmany(
        self, *, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        return {PARTITION: [_record(7, "")]}

    def seek(self, _: TopicPartition, offset: int) -> None:
        self.sought.append(offset)


def settings(kafka: str = "127.0.0.1:1", **more: Any) -> ServiceSettings:
    """Of a service whose database is not asked; without `kafka`, neither is a broker."""
    return ServiceSettings(
        service_name="things", database_url=SecretStr(""), kafka_bootstrap_servers=kafka, **more
    )


@pytest.fixture
def consumer(inbox: Inbox) -> Consumer:
    return Consumer(inbox, settings())


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages each batch had that an inbox was given; it does nothing with them."""
    sizes: list[int] = []

    async def take(_: Inbox, messages: Sequence[RawMessage]) -> None:
        sizes.append(len(messages))

    monkeypatch.setattr(Inbox, "process", take)
    return sizes


def committing(consumer: Consumer, broker: Broker) -> asyncio.Task[None]:
    """The consumer's regular commits, with an offset of 5 to commit."""
    consumer._consumer = broker
    consumer._done[PARTITION] = 5
    return asyncio.create_task(consumer._commit_regularly())


@pytest.mark.parametrize("failure", [KafkaError("no coordinator"), OSError("reset"), RuntimeError("bug")])
async def test_offsets_that_could_not_be_committed_are_committed_later(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    monkeypatch.setattr(consuming, "OFFSETS_EVERY", 0.01)
    broker = Broker(failure)
    task = committing(consumer, broker)

    async def committed() -> None:
        assert broker.committed == {PARTITION: 5}
        assert consumer._done == {}

    await eventually(committed, 5)
    task.cancel()


@pytest.mark.parametrize("ending", ["never", "cancelled"])
async def test_a_commit_that_never_ends_or_is_given_up_inside_is_tried_again(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(consuming, "OFFSETS_EVERY", 0.01)
    monkeypatch.setattr(consuming, "COMMIT_SECONDS", 0.05)
    tries = 0

    class Stubborn(Broker):
        async def commit(self, offsets: dict[TopicPartition, int]) -> None:
            nonlocal tries
            tries += 1
            if tries == 1 and ending == "cancelled":
                raise asyncio.CancelledError
            if tries == 1:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
                await asyncio.Event().wait()
            await super().commit(offsets)

    broker = Stubborn()
    task = committing(consumer, broker)

    async def committed() -> None:
        assert broker.committed == {PARTITION: 5}

    await eventually(committed, 5)
    assert tries == 2
    task.cancel()


async def test_a_client_that_answers_no_commit_any_more_is_given_up_for_a_new_one(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "COMMIT_SECONDS", 0.01)

    class Mute(Broker):
        async def commit(self, offsets: dict[TopicPartition, int]) -> None:
            await asyncio.Event().wait()

    consumer._consumer = broker = Mute()
    consumer._done[PARTITION] = 5
    for _ in range(consuming.MOST_UNANSWERED):
        await consumer._commit()
    with pytest.raises(Unavailable):
        await consumer._step(broker)
    assert consumer._done == {PARTITION: 5}


async def test_a_rebalance_need_not_wait_for_the_pause_after_an_outage(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(self: Inbox, messages: Any) -> None:
        raise Unavailable("the other company is closed")

    monkeypatch.setattr(Inbox, "process", away)
    broker = Broker()
    consumer._consumer = broker
    consumer._failures = 100  # the pause is a long one by now
    step = asyncio.create_task(consumer._step(broker))

    async def given_back() -> None:
        assert broker.sought == [7]

    await eventually(given_back)
    async with asyncio.timeout(1):
        await consumer.on_partitions_revoked([PARTITION])
    assert not step.done()
    consumer.stopping.set()
    await step


@pytest.mark.parametrize(("batch_size", "rests"), [(1, False), (2, True)])
async def test_after_a_batch_that_was_not_full_more_may_gather(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, batch_size: int, rests: bool
) -> None:
    taken = asyncio.Event()

    async def take(self: Inbox, messages: Any) -> None:
        taken.set()

    monkeypatch.setattr(Inbox, "process", take)
    consumer = Consumer(inbox, settings(batch_size=batch_size, linger_seconds=1_000))
    step = asyncio.create_task(consumer._step(Broker()))
    await taken.wait()
    await asyncio.wait([step], timeout=0.05)
    assert step.done() is not rests
    consumer.stopping.set()
    await step


COUNTED, RENAMED, IGNORED = "things.thing-counted.v1", "things.thing-renamed.v1", "things.thing-ignored.v1"


class Arriving(Broker):
    """Each of `batches` comes by itself, as much of it as is asked for; then nothing more."""

    def __init__(self, *batches: Sequence[str]) -> None:
        super().__init__()
        self.batches = list(batches)

    async def getmany(
        self, *, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        if not self.batches:
            await asyncio.sleep(timeout_ms / 1_000)
            return {}
        types = self.batches.pop(0)[:max_records]
        return {PARTITION: [_record(offset, type_) for offset, type_ in enumerate(types)]}


def _record(offset: int, type_: str) -> ConsumerRecord[bytes, bytes]:
    headers = (("ce_type", type_.encode()),) if type_ else ()
    return ConsumerRecord("things.thing.v1", 0, offset, 0, 0, None, b"", None, 0, 0, headers)


@pytest.mark.parametrize(
    ("arriving", "together"),
    [
        ([[COUNTED], [RENAMED]], 1),  # somebody waits for the first
        ([[RENAMED, COUNTED], [RENAMED]], 2),
        ([[RENAMED], [IGNORED], [RENAMED, COUNTED], [RENAMED]], 4),
        ([["things.thing-unknown.v1"], [RENAMED]], 1),
        ([[""], [RENAMED]], 1),
        ([[RENAMED] * 5, [RENAMED] * 9], 10),  # a full batch
        ([[RENAMED], [IGNORED]], 2),  # nobody waits for anything: until patience ends
    ],
)
async def test_what_nobody_waits_for_is_taken_with_what_somebody_waits_for(
    inbox: Inbox,
    batches: list[int],
    monkeypatch: pytest.MonkeyPatch,
    arriving: list[list[str]],
    together: int,
) -> None:
    monkeypatch.setattr(consuming, "POLL_MS", 0)
    patient = replace(inbox, patient=[RENAMED])
    await Consumer(patient, settings(batch_size=10, patience_seconds=0.1))._step(Arriving(*arriving))
    assert batches == [together]


async def test_where_nothing_comes_nothing_is_taken(
    inbox: Inbox, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "POLL_MS", 0)
    await Consumer(inbox, settings(linger_seconds=1_000))._step(Arriving())
    assert batches == []


async def test_what_was_gathered_around_a_rebalance_is_given_back_from_its_first(
    inbox: Inbox, batches: list[int]
) -> None:
    class Rebalanced(Arriving):
        async def getmany(self, **how: Any) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
            if len(self.batches) == 1:
                await gathering.on_partitions_revoked([PARTITION])
            return await super().getmany(**how)

    gathering = Consumer(replace(inbox, patient=[RENAMED]), settings())
    broker = Rebalanced([RENAMED, RENAMED], [COUNTED])
    await gathering._step(broker)
    assert batches == []
    assert broker.sought[-1] == 0


async def test_a_topic_that_was_away_is_noticed_when_it_is_made_anew(
    inbox: Inbox, kafka: str, kafka_admin: AIOKafkaAdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "METADATA_MS", 200)
    topic = f"things.{uuid4().hex[:8]}.v1"
    monkeypatch.setattr(Inbox, "topics", {topic})
    consumer = Consumer(replace(inbox, group=topic), settings(kafka))
    again = NewTopic(topic, num_partitions=2, replication_factor=1)
    await kafka_admin.create_topics([again])
    running = asyncio.create_task(consumer.run())
    await eventually(lambda: _divided(consumer, 2), 20)
    await kafka_admin.delete_topics([topic])
    await eventually(lambda: _divided(consumer, 0), 20)
    await kafka_admin.create_topics([again])
    await eventually(lambda: _divided(consumer, 2), 20)
    await kafka_admin.delete_topics([topic])
    consumer.stopping.set()
    await running


async def _divided(consumer: Consumer, partitions: int) -> None:
    """The group has divided its topics, and this consumer has so many partitions of them."""
    assert consumer.assigned
    assert len(consumer._consumer.assignment()) == partitions


async def test_what_comes_behind_a_long_batch_does_not_wait_for_partitions_in_which_nothing_comes(
    inbox: Inbox, kafka: str, kafka_admin: AIOKafkaAdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "FETCH_MS", 30_000)  # longer than anything here is waited for
    busy, idle = (f"things.{uuid4().hex[:8]}.v1" for _ in range(2))
    monkeypatch.setattr(Inbox, "topics", {busy, idle})
    taken: list[bytes | None] = []
    goes_on = asyncio.Event()

    async def take(self: Inbox, messages: Sequence[RawMessage]) -> None:
        taken.extend(message.value for message in messages)
        await goes_on.wait()

    monkeypatch.setattr(Inbox, "process", take)
    consumer = Consumer(replace(inbox, group=busy), settings(kafka))
    await kafka_admin.create_topics([NewTopic(busy, 1, 1), NewTopic(idle, 1, 1)])
    running = asyncio.create_task(consumer.run())
    await eventually(lambda: _divided(consumer, 2), 20)
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        await producer.send_and_wait(busy, b"in hand")
        await eventually(lambda: _taken(taken, 1))
        await producer.send_and_wait(busy, b"behind it")
        await asyncio.sleep(0.3)  # aiokafka has it, and its own pause is over
        goes_on.set()
        await eventually(lambda: _taken(taken, 2))
        await producer.send_and_wait(busy, b"later")
        await eventually(lambda: _taken(taken, 3))
    consumer.stopping.set()
    await running
    assert taken == [b"in hand", b"behind it", b"later"]


async def test_who_ends_while_it_waits_to_join_holds_up_nobody(
    inbox: Inbox, kafka: str, kafka_admin: AIOKafkaAdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Inbox, "topics", {topic := f"things.{uuid4().hex[:8]}.v1"})
    inbox = replace(inbox, group=topic)
    await kafka_admin.create_topics([NewTopic(topic, 2, 1)])
    # The guest's session is over long after this test has given up.
    host, guest = (Consumer(inbox, settings(kafka, kafka_session_timeout_ms=ms)) for ms in (6_000, 120_000))
    staying = asyncio.create_task(host.run())
    await eventually(lambda: _divided(host, 2), 20)

    async def asks_to_join() -> None:
        coordinator = getattr(getattr(guest, "_consumer", None), "_coordinator", None)
        assert getattr(coordinator, "member_id", "")

    async def divides_anew(generation: int = host._generation) -> None:
        assert host._generation > generation

    async with host._busy:  # a batch is in hand: nobody joins before it is done
        coming = asyncio.create_task(guest.run())
        await eventually(asks_to_join, 20)
        await asyncio.sleep(0.5)  # the broker has it
        coming.cancel()
        await asyncio.wait([coming])
        await guest._consumer._client.close()  # as the end of its process would
    await eventually(divides_anew, 20)
    await eventually(lambda: _divided(host, 2), 20)
    host.stopping.set()
    await staying


@pytest.mark.parametrize(("name", "asked"), [(None, 1), ("things-0", 0)])
async def test_who_has_a_name_in_the_group_keeps_its_place_for_when_it_comes_again(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, name: str | None, asked: int
) -> None:
    monkeypatch.setattr(consuming, "COMMIT_SECONDS", 0.01)
    waits_to_join = Mock(stop=asyncio.Event().wait)
    waits_to_join._coordinator.member_id = "things-0-7"
    waits_to_join._client.send = AsyncMock()
    await Consumer(inbox, settings(kafka_group_instance_id=name))._leave(waits_to_join)
    assert waits_to_join._client.send.await_count == asked


async def _taken(messages: Sequence[bytes | None], count: int) -> None:
    assert len(messages) == count


async def test_a_publisher_begins_anew_after_a_record_was_not_taken_and_ends_its_span(
    thing_counted: Callable[[str, int], PublishedEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    span = Mock(NonRecordingSpan(INVALID_SPAN_CONTEXT))
    monkeypatch.setattr(telemetry, "message_span", lambda *_: span)
    span.get_span_context.return_value = INVALID_SPAN_CONTEXT

    class Producer:
        stopped = False

        async def partitions_for(self, topic: str) -> set[int]:
            return {0}

        async def send(self, *_: Any, **__: Any) -> asyncio.Future[None]:
            refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            refused.set_exception(KafkaTimeoutError())
            return refused

        async def stop(self) -> None:
            self.stopped = True

    publisher, producer = KafkaPublisher({"bootstrap_servers": "127.0.0.1:1"}, "/things"), Producer()
    publisher._producer = producer
    with pytest.raises(Unavailable):
        await publisher.send([row_of(thing_counted("a", 1), Cause.of_request("a"))])
    assert producer.stopped
    assert publisher._producer is None
    span.end.assert_called_once()
