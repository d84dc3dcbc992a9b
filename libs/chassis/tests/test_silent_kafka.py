"""A broker that accepts connections and never answers, and a consumer that makes no progress."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from aiokafka import TopicPartition, errors
from structlog.testing import capture_logs

from chassis.backoff import Backoff
from chassis.errors import KafkaUnavailable, is_unavailable
from chassis.events import Cause, ConsumedEvent, PublishedEvent, new_id
from chassis.inbox import Inbox, Subscriptions
from chassis.kafka import Consumer, ConsumerSettings, KafkaPublisher, publisher, watchdog
from chassis.kafka import consumer as consuming
from chassis.kafka.broker_watch import BrokerWatch
from chassis.kafka.consumer import ClientHooks
from chassis.kafka.watchdog import ConsumerStalled
from chassis.observability import outages as outages_module
from chassis.outbox import Database
from chassis.outbox.rows import row_of
from chassis.supervisor import supervise
from libs.chassis.tests.silent_peers import silent_server

TOPIC = "things.thing.v1"


class Counted(ConsumedEvent, type="things.thing-counted.v1", topic=TOPIC):
    """Never arrives."""


@dataclass
class Client:
    """An aiokafka consumer that has one record, as far as the chassis uses one."""

    poll: Callable[[], Awaitable[None]]
    sought: list[int] = field(default_factory=list)
    is_stopped: bool = False

    def subscribe(self, topics: object, listener: object) -> None:
        """There is no group to join."""

    async def start(self) -> None:
        """There is no broker to connect to."""

    async def stop(self) -> None:
        self.is_stopped = True

    async def commit(self, offsets: object) -> None:
        """Always in order."""

    async def getmany(self, *, timeout_ms: int, max_records: int) -> Mapping[TopicPartition, list[Any]]:
        await self.poll()
        record = SimpleNamespace(
            timestamp=0,
            topic=TOPIC,
            partition=0,
            offset=7,
            key=b"k",
            value=b"",
            headers=((b"ce_type", b"x"),),
        )
        return {TopicPartition(TOPIC, 0): [record]}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.sought.append(offset)


async def at_once() -> None:
    """Nothing is waited for."""


async def for_ever() -> None:
    await asyncio.Event().wait()


class SomeInbox(Inbox):
    """Takes each batch in its own way."""

    def __init__(self, take: Callable[[], Awaitable[None]]) -> None:
        async def handle(tx: object, events: object) -> None:
            """Handles nothing."""

        super().__init__(Database("postgresql://nowhere/things"), "things", Subscriptions({Counted: handle}))
        self._how = take

    async def process(self, messages: object) -> None:
        await self._how()


def consumer_of(
    *clients: Client, take: Callable[[], Awaitable[None]] = at_once, address: str = "127.0.0.1:1", **more: Any
) -> Consumer:
    left = list(clients)
    hooks = ClientHooks(create=lambda settings, group: left.pop(0)) if clients else ClientHooks()
    settings = ConsumerSettings({"bootstrap_servers": address}, defer_seconds=0, **more)
    return Consumer(SomeInbox(take), settings, hooks=hooks)


@pytest.fixture(autouse=True)
def logs(monkeypatch: pytest.MonkeyPatch) -> None:
    # A logger keeps the processors of its first use, so that `capture_logs` would see nothing in a whole run.
    monkeypatch.setattr(outages_module, "log", structlog.get_logger())
    monkeypatch.setattr(watchdog, "log", structlog.get_logger())


@pytest.fixture(autouse=True)
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("START_SECONDS", "POLL_SECONDS", "BATCH_SECONDS"):
        monkeypatch.setattr(consuming, name, 0.2)
    for name in ("CONNECT_SECONDS", "SEND_SECONDS", "TOPIC_SECONDS", "ANSWER_SECONDS"):
        monkeypatch.setattr(publisher, name, 0.3)
    monkeypatch.setattr(publisher, "CLOSE_SECONDS", 0.2)


async def test_a_page_that_a_silent_broker_takes_is_given_up_and_can_be_tried_again(
    thing_counted: Callable[[str, int], PublishedEvent],
) -> None:
    row = row_of(thing_counted("a", 1), Cause(new_id(), "a", None))
    async with silent_server() as port:
        sending = KafkaPublisher({"bootstrap_servers": f"127.0.0.1:{port}"}, "/things")
        async with asyncio.timeout(10):
            for _ in range(2):
                with pytest.raises(KafkaUnavailable):
                    await sending.send([row])
            await sending.close()


async def test_a_consumer_whose_broker_is_silent_from_the_start_ends_its_run() -> None:
    async with silent_server() as port:
        consumer = consumer_of(address=f"127.0.0.1:{port}", commit_timeout_seconds=0.2)
        async with asyncio.timeout(10):
            with pytest.raises(ConsumerStalled) as raised:
                await consumer.run()
    assert is_unavailable(raised.value)


async def test_a_poll_that_does_not_return_ends_the_run_and_stops_the_client() -> None:
    client = Client(for_ever)
    with capture_logs() as lines, pytest.raises(ConsumerStalled):
        await consumer_of(client).run()
    assert client.is_stopped
    assert [line["step"] for line in lines if line["event"] == "consumer.stalled"] == ["poll"]


async def test_a_batch_that_does_not_end_ends_the_run_and_nothing_of_it_is_committed() -> None:
    committed: list[object] = []

    class Noting(Client):
        async def commit(self, offsets: object) -> None:
            committed.append(offsets)

    with capture_logs() as lines, pytest.raises(ConsumerStalled):
        await consumer_of(Noting(at_once), take=for_ever).run()
    assert [line["step"] for line in lines if line["event"] == "consumer.stalled"] == ["batch"]
    assert committed == []


async def test_a_stalled_consumer_is_started_again_by_its_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "pause", lambda *_: 0.0)
    taken: list[str] = []

    async def take() -> None:
        taken.append("batch")
        consumer.stopping.set()

    consumer = consumer_of(Client(for_ever), Client(at_once), take=take)
    async with asyncio.timeout(10):
        await supervise("consumer", consumer.run, consumer.stopping.is_set)
    assert taken == ["batch"]


async def test_a_client_that_alone_gets_no_answers_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BrokerWatch, "is_stuck", property(lambda watch: watch._client is stuck))
    monkeypatch.setattr(Backoff, "pause", lambda *_: 0.0)

    async def take() -> None:
        consumer.stopping.set()

    stuck, fresh = Client(at_once), Client(at_once)
    consumer = consumer_of(stuck, fresh, take=take)
    with pytest.raises(KafkaUnavailable, match="connect anew"):
        await consumer.run()
    assert stuck.is_stopped
    await consumer.run()
    assert fresh.is_stopped


async def test_a_consumer_that_goes_on_is_not_cut_off() -> None:
    rounds: list[str] = []

    async def take() -> None:
        rounds.append("batch")
        if len(rounds) == 20:
            consumer.stopping.set()
        await asyncio.sleep(0.02)

    consumer = consumer_of(Client(at_once), take=take)
    await consumer.run()
    assert len(rounds) == 20


def test_every_error_of_kafka_is_a_fault_of_the_system() -> None:
    kinds: list[Any] = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    kafka_errors = [kind for kind in kinds if issubclass(kind, errors.KafkaError)]
    assert len(kafka_errors) > 50
    for kind in kafka_errors:
        assert is_unavailable(kind())
