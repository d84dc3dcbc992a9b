"""Kafka's sending side: outbox rows become records, each with a publish span of its own."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from opentelemetry.trace import SpanKind

from chassis import envelope, telemetry
from chassis.database import Unavailable
from chassis.outbox import OutboxRow, hash_of


class KafkaPublisher:
    """Sends outbox rows to Kafka; connects when it is first used, and again after an error.

    `source` is the service's CloudEvents source, such as `/orders`; `kafka` is `ServiceSettings.kafka`.
    """

    def __init__(self, kafka: Mapping[str, Any], source: str) -> None:
        self._kafka, self._source = kafka, source
        self._producer: AIOKafkaProducer | None = None

    async def send(self, rows: Sequence[OutboxRow]) -> None:
        """Send rows in order and wait until the broker has them all. Raises Unavailable if it does not take one."""
        try:
            producer = await self._connected()
            for topic in {row.topic for row in rows}:
                # Nothing is sent while a topic is missing: its neighbours would be sent again at each new try.
                await producer.partitions_for(topic)
            deliveries = [await self._hand_over(producer, row) for row in rows]
            for result in await asyncio.gather(*deliveries, return_exceptions=True):
                if isinstance(result, BaseException):
                    raise KafkaError(repr(result)) from result
        except (KafkaError, OSError) as error:
            # Also after a single record: what the broker has of its partition's sequence is not known any more.
            await self.close()
            raise Unavailable(f"Kafka takes no records: {error!r}") from error
        for row in rows:
            telemetry.PUBLISHED.labels(row.topic).inc()

    async def close(self) -> None:
        """Close the connection; a later send opens a new one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(producer.stop(), 2.0)

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            # aiokafka's own defaults lose data: acks=1 and no idempotence.
            self._producer = AIOKafkaProducer(
                **self._kafka,
                acks="all",
                enable_idempotence=True,
                max_batch_size=256 * 1024,
                request_timeout_ms=30_000,
                # aiokafka's own, but a hash that the outbox has made already is not made again.
                partitioner=lambda key, every, _: every[hash_of(key) % len(every)],
            )
            await self._producer.start()
        return self._producer

    async def _hand_over(self, producer: AIOKafkaProducer, row: OutboxRow) -> asyncio.Future[Any]:
        # Its span is from the moment of the write to the broker's acknowledgement: the time in the outbox shows in it.
        written = int(row.time.timestamp() * 1_000_000) * 1_000  # in nanoseconds
        message = (row.topic, row.event_id, row.correlation_id)
        span = telemetry.message_span(SpanKind.PRODUCER, row.type, message, row.traceparent, written)
        traceparent = telemetry.traceparent_of(span) or row.traceparent
        cause = envelope.Cause(row.causation_id, row.correlation_id, traceparent)
        headers = envelope.encode(row.event_id, self._source, row.type, row.key, row.time, cause)
        value, key = row.data.encode(), row.key.encode()
        delivery: asyncio.Future[Any] = await producer.send(row.topic, value, key, headers=headers)
        # Also when it fails, or another of its page does: the broker may have it, and its readers continue the span.
        delivery.add_done_callback(lambda _: span.end())
        return delivery
