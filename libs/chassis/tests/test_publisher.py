"""The publisher: after a record that the broker refused it begins anew."""

import asyncio
from collections.abc import Callable
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from aiokafka.errors import KafkaTimeoutError
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan

from chassis.errors import Unavailable
from chassis.events import Cause, PublishedEvent
from chassis.kafka import KafkaPublisher, publisher
from chassis.observability import tracing
from chassis.outbox.rows import row_of


class RefusingProducer:
    """An aiokafka producer whose broker answers no record in time."""

    def __init__(self, **settings: Any) -> None:
        self.is_stopped = False
        self.client = AsyncMock()
        self.client.cluster = Mock()

    async def start(self) -> None:
        """There is no broker to connect to."""

    async def partitions_for(self, topic: str) -> set[int]:
        return {0}

    async def send(self, *record: Any, **headers: Any) -> asyncio.Future[None]:
        refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        refused.set_exception(KafkaTimeoutError())
        return refused

    async def stop(self) -> None:
        self.is_stopped = True


async def test_a_publisher_connects_anew_after_a_refused_record_and_ends_its_span(
    thing_counted: Callable[[str, int], PublishedEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    span = Mock(NonRecordingSpan(INVALID_SPAN_CONTEXT))
    span.get_span_context.return_value = INVALID_SPAN_CONTEXT
    monkeypatch.setattr(tracing, "publish_span", lambda *_: span)
    producers: list[RefusingProducer] = []

    def create(**settings: Any) -> RefusingProducer:
        producers.append(RefusingProducer(**settings))
        return producers[-1]

    monkeypatch.setattr(publisher, "AIOKafkaProducer", create)
    kafka_publisher = KafkaPublisher({"bootstrap_servers": "127.0.0.1:1"}, "/things")
    row = row_of(thing_counted("a", 1), Cause(None, "a", None))
    with pytest.raises(Unavailable):
        await kafka_publisher.send([row])
    assert [producer.is_stopped for producer in producers] == [True]
    span.end.assert_called_once()
    with pytest.raises(Unavailable):
        await kafka_publisher.send([row])
    assert len(producers) == 2
