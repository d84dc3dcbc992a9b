"""Kafka's sending side: outbox rows become records, each with a publish span of its own."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from chassis.errors import KAFKA, KafkaUnavailable
from chassis.events import Cause, encode
from chassis.observability import metrics, tracing
from chassis.observability.outages import OUTAGES
from chassis.observability.tracing import MessageIds, MessageSpan
from chassis.outbox import OutboxRow, key_hash

MAX_BATCH_BYTES = 256 * 1024
REQUEST_TIMEOUT_MS = 30_000
SEND_SECONDS = 30.0
"""How long a page may take, with everything: connecting, metadata, acknowledgements."""
CLOSE_SECONDS = 2.0


class KafkaPublisher:
    """Sends outbox rows to Kafka. It connects when it is first used, and again after an error.

    `source` is the service's CloudEvents source, such as `/orders`; `kafka` is `ServiceSettings.kafka`.
    """

    def __init__(self, kafka: Mapping[str, Any], source: str) -> None:
        self._kafka = kafka
        self._source = source
        self._producer: AIOKafkaProducer | None = None

    async def send(self, rows: Sequence[OutboxRow]) -> None:
        """Send outbox rows to Kafka, in order, and wait for every acknowledgement.

        Rows of one key arrive in the order given. On error some rows may have been sent: send all of them again,
        consumers drop duplicates.

        Raises:
            KafkaUnavailable: the broker is away or silent, or it refused a row.
        """
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._send(rows)
        except (KafkaError, OSError, TimeoutError) as error:
            # After a refused record, too: the broker's state of its partition's sequence numbers is not known any more.
            await self.close()
            raise KafkaUnavailable(f"Kafka takes no records: {error!r}") from error
        OUTAGES.answered(KAFKA)
        for row in rows:
            metrics.EVENTS_PUBLISHED.labels(row.topic).inc()

    async def close(self) -> None:
        """Close the connection. A later send opens a new one."""
        producer = self._producer
        self._producer = None
        if producer is not None:
            # A task of its own: a client whose broker is silent may not end, also when it is cancelled.
            stopping = asyncio.create_task(producer.stop())
            _, running = await asyncio.wait([stopping], timeout=CLOSE_SECONDS)
            if running:
                stopping.cancel()
            stopping.add_done_callback(_forget)

    async def _send(self, rows: Sequence[OutboxRow]) -> None:
        producer = await self._connected()
        for topic in {row.topic for row in rows}:
            # While a topic is missing nothing is sent, because each new try would send the other rows again.
            await producer.partitions_for(topic)
        deliveries = [await self._hand_over(producer, row) for row in rows]
        for result in await asyncio.gather(*deliveries, return_exceptions=True):
            if isinstance(result, BaseException):
                raise KafkaError(repr(result)) from result

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            # aiokafka's own defaults lose data: acks=1 and no idempotence.
            self._producer = AIOKafkaProducer(
                **self._kafka,
                acks="all",
                enable_idempotence=True,
                max_batch_size=MAX_BATCH_BYTES,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
                partitioner=_partition_of,
            )
            await self._producer.start()
        return self._producer

    async def _hand_over(self, producer: AIOKafkaProducer, row: OutboxRow) -> asyncio.Future[Any]:
        span = _publish_span(row)
        traceparent = tracing.traceparent_of(span) or row.traceparent
        cause = Cause(row.causation_id, row.correlation_id, traceparent)
        headers = encode(row.event_id, self._source, row.type, row.key, row.time, cause)
        delivery: asyncio.Future[Any] = await producer.send(
            row.topic, row.data.encode(), row.key.encode(), headers=headers
        )
        # The span ends also when the delivery fails: the broker may have the record, and its readers continue the span.
        delivery.add_done_callback(lambda _: span.end())
        return delivery


def _forget(stopping: asyncio.Task[None]) -> None:
    """Take the error of a client that could not stop in order: nothing depends on it any more."""
    if not stopping.cancelled():
        stopping.exception()


def _partition_of(key: bytes, partitions: Sequence[int], available: Sequence[int]) -> int:
    """Kafka's own choice. The outbox has computed the same hash for the key's shard, and it is cached there."""
    return partitions[key_hash(key) % len(partitions)]


def _publish_span(row: OutboxRow) -> MessageSpan:
    """A span from the write of the row to the broker's acknowledgement, so that it shows the time in the outbox."""
    written_ns = int(row.time.timestamp() * 1_000_000) * 1_000
    ids = MessageIds(row.topic, row.event_id, row.correlation_id)
    return tracing.publish_span(row.type, ids, row.traceparent, written_ns)
