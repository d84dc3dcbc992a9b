"""Doubles for the tests of `chassis.kafka`: a client without a broker, an inbox without a database."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from chassis.events import ConsumedEvent, Envelope, RawMessage
from chassis.inbox import Handler, Inbox, Subscriptions, WholeBatch
from chassis.kafka import ConsumerSettings
from chassis.kafka.batches import Record
from chassis.kafka.consumer import ClientHooks, create_client
from chassis.outbox import Database, Transaction

PARTITION = TopicPartition("things.thing.v1", 0)
COUNTED, RENAMED, IGNORED = "things.thing-counted.v1", "things.thing-renamed.v1", "things.thing-ignored.v1"

Fetched = dict[TopicPartition, list[Record]]


class Renamed(ConsumedEvent, type=RENAMED, topic=PARTITION.topic):
    """A deferrable event."""


async def ignore(tx: Transaction, events: Sequence[Envelope[Any]]) -> None:
    """A handler without an effect."""


def subscriptions_to(*topics: str) -> Subscriptions:
    """Subscriptions to an urgent event on each of `topics`, and to the deferrable event RENAMED."""
    handlers: dict[type[ConsumedEvent], Handler | WholeBatch] = {}
    for number, topic in enumerate(topics):
        name = COUNTED if number == 0 else f"things.thing-counted-{number}.v1"
        handlers[_event_of(name, topic)] = ignore
    if PARTITION.topic in topics:
        return Subscriptions(
            {**handlers, Renamed: ignore}, ignored={PARTITION.topic: [IGNORED]}, deferrable=[Renamed]
        )
    return Subscriptions(handlers)


def _event_of(name: str, topic: str) -> type[ConsumedEvent]:
    class Counted(ConsumedEvent, type=name, topic=topic):
        """An urgent event."""

    return Counted


def record(offset: int, event_type: str = COUNTED) -> Record:
    """A record of PARTITION; without an event type it has no header."""
    headers = (("ce_type", event_type.encode()),) if event_type else ()
    return ConsumerRecord(PARTITION.topic, 0, offset, 0, 0, None, b"", None, 0, 0, headers)


class FakeInbox(Inbox):
    """Notes the messages that it is given. `on_batch` is awaited with each batch, and may raise."""

    def __init__(self, *topics: str, group: str = "things") -> None:
        nowhere = Database("postgresql://nowhere/things")
        super().__init__(nowhere, group, subscriptions_to(*(topics or (PARTITION.topic,))))
        self.batches: list[Sequence[RawMessage]] = []
        self.on_batch: Callable[[], Awaitable[object]] = _return_at_once

    @property
    def values(self) -> list[bytes | None]:
        """The values of all messages so far."""
        return [message.value for batch in self.batches for message in batch]

    async def process(self, messages: Sequence[RawMessage]) -> None:
        self.batches.append(messages)
        await self.on_batch()


async def _return_at_once() -> None:
    """A batch that takes no time."""


class FakeClient:
    """An aiokafka consumer of PARTITION, as far as the chassis uses one.

    Each of `batches`, the types of its events, arrives by itself, as much of it as is asked for. Then nothing arrives
    any more. The first commits fail with `commit_failures`.
    """

    def __init__(self, *batches: Sequence[str], commit_failures: Sequence[Exception] = ()) -> None:
        self.batches = list(batches)
        self.commit_failures = list(commit_failures)
        self.commits = 0
        self.committed: dict[TopicPartition, int] = {}
        self.sought: list[int] = []
        self.fetches = 0
        self.topics: Collection[str] = ()
        self.is_stopped = False

    def subscribe(self, topics: Collection[str], listener: object) -> None:
        self.topics = topics

    async def start(self) -> None:
        """There is no group to join."""

    async def stop(self) -> None:
        self.is_stopped = True

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.commits += 1
        if self.commit_failures:
            raise self.commit_failures.pop(0)
        self.committed |= offsets

    def assignment(self) -> Collection[TopicPartition]:
        return {PARTITION}

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int, max_records: int) -> Fetched:
        self.fetches += 1
        if not self.batches:
            await asyncio.sleep(timeout_ms / 1_000)
            return {}
        types = self.batches.pop(0)[:max_records]
        return {PARTITION: [record(offset, event_type) for offset, event_type in enumerate(types)]}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.sought.append(offset)


class BufferedClient:
    """An aiokafka consumer whose records have all arrived: `logs` has the values of each partition.

    It gives the records of one partition after the other, as aiokafka does.
    """

    def __init__(
        self, logs: Mapping[TopicPartition, list[bytes]], headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        self.logs = logs
        self._headers = headers
        self._positions = dict.fromkeys(logs, 0)

    def assignment(self) -> Collection[TopicPartition]:
        return set(self.logs)

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int, max_records: int) -> Fetched:
        fetched: Fetched = {}
        for at in partitions or self.logs:
            start = self._positions[at]
            values = self.logs[at][start : start + max_records]
            self._positions[at] += len(values)
            max_records -= len(values)
            if values:
                fetched[at] = [
                    ConsumerRecord(
                        at.topic, at.partition, offset, 0, 0, None, value, None, 0, 0, self._headers
                    )
                    for offset, value in enumerate(values, start)
                ]
            if max_records == 0:
                break
        return fetched

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._positions[partition] = offset


def hooks_for(*clients: FakeClient) -> ClientHooks:
    """Hooks with which a consumer gets `clients`, one after the other."""
    left = list(clients)
    return ClientHooks(create=lambda settings, group: left.pop(0))


class CreatedClients:
    """The real clients that a consumer has created: `ClientHooks(create=created.create)`."""

    def __init__(self) -> None:
        self.all: list[AIOKafkaConsumer] = []

    def create(self, settings: ConsumerSettings, group: str) -> AIOKafkaConsumer:
        client = create_client(settings, group)
        self.all.append(client)
        return client

    @property
    def last(self) -> AIOKafkaConsumer:
        assert self.all, "no client was created yet"
        return self.all[-1]
