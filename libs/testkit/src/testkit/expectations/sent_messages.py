"""Messages as a service sends them: the outbox's row of an event, and the relay's own publisher, without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from unittest import mock

from aiokafka import AIOKafkaProducer

from chassis.events import Cause, PublishedEvent, new_id
from chassis.kafka import publisher
from chassis.kafka.producer_hooks import ProducerHooks
from chassis.kafka.publisher import KafkaPublisher
from chassis.outbox.rows import row_of

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class SentMessage(NamedTuple):
    """A message as the client of Kafka gets it."""

    event: PublishedEvent
    topic: str
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]

    @property
    def metadata(self) -> dict[str, str]:
        """The topic, the key and the headers, as they are in the files of the consumers."""
        headers = {name: value.decode() for name, value in self.headers}
        return {"topic": self.topic, "key": self.key.decode(), **headers}


class _Cluster:
    def partitions_for_topic(self, topic: str) -> set[int]:
        return {0}


class _Client:
    cluster = _Cluster()

    async def close(self) -> None:
        """Nothing is open."""


class RecordingProducer:
    """In the place of aiokafka's producer. It keeps what it is given."""

    def __init__(self, **_: Any) -> None:
        self.client = _Client()
        self.given: list[tuple[str, bytes, bytes, Sequence[tuple[str, bytes]]]] = []

    async def start(self) -> None:
        """Connect to no broker."""

    async def stop(self) -> None:
        """Nothing is open."""

    async def send(
        self, topic: str, value: bytes, key: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> asyncio.Future[None]:
        """Keep a record, and acknowledge it."""
        self.given.append((topic, value, key, headers))
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        acknowledged.set_result(None)
        return acknowledged


async def sent_messages(service: str, events: Sequence[PublishedEvent]) -> list[SentMessage]:
    """Each event as the service's relay sends it, in the order of `events`."""
    made: list[Any] = []

    def keep_producer(producer: AIOKafkaProducer, _: Callable[[], bool]) -> None:
        made.append(producer)

    with mock.patch.object(publisher, "AIOKafkaProducer", RecordingProducer):
        sending = KafkaPublisher({}, f"/{service}", hooks=ProducerHooks(created=keep_producer))
        # One by one: of several rows the publisher sends those of the first topic first.
        for event in events:
            await sending.send([row_of(event, Cause(new_id(), event.subject, TRACEPARENT))])
        await sending.close()
    return [
        SentMessage(event, topic, key, value, headers)
        for event, (topic, value, key, headers) in zip(events, made[0].given, strict=True)
    ]
