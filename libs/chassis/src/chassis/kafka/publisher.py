"""Kafka's sending side: outbox rows become records, each with a publish span of its own.

Topics are sent in parallel. A topic that is missing, forbidden or without a leader does not delay the others.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    BrokerResponseError,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTopicError,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    TopicAuthorizationFailedError,
    UnknownProducerId,
    UnknownTopicOrPartitionError,
)

from chassis.errors import KAFKA
from chassis.events import Cause, encode
from chassis.kafka import refusals
from chassis.kafka.page_deadline import PageDeadline
from chassis.kafka.producer_hooks import ProducerHooks
from chassis.observability import metrics, tracing
from chassis.observability.outages import OUTAGES
from chassis.observability.tracing import MessageIds, MessageSpan
from chassis.outbox import Fence, OutboxRow, RowsNotSent, Unsent, UnsentReason, key_hash

log = structlog.get_logger()

MAX_BATCH_BYTES = 256 * 1024
REQUEST_TIMEOUT_MS = 30_000
CONNECT_SECONDS = 10.0
SEND_SECONDS = 10.0
"""Seconds for a topic's rows of one page, including the search for the topic."""
LATE_SECONDS = 3.0
"""Seconds for the other topics of a page after one topic has acknowledged all of its rows."""
TOPIC_SECONDS = 2.0
"""Seconds for the search for an unknown topic."""
ANSWER_SECONDS = 3.0
"""If Kafka answers a metadata request within this time, the fault is the topic's and not Kafka's."""
CLOSE_SECONDS = 2.0

TOPIC_ERRORS = (TopicAuthorizationFailedError, UnknownTopicOrPartitionError, InvalidTopicError)
"""The topic is missing or forbidden."""
PRODUCER_ERRORS = (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    OutOfOrderSequenceNumber,
    UnknownProducerId,
)
"""After these errors a new producer can send the same rows. Any other error of a broker is about a row of the batch."""
UNSENDABLE_ERRORS = (MessageSizeTooLargeError, ValueError)
"""A row that cannot be handed to the client at all."""


class KafkaPublisher:
    """Sends outbox rows to Kafka. It connects when it is first used, and again after an error.

    `source` is the service's CloudEvents source, such as `/orders`; `kafka` is `ServiceSettings.kafka`. `hooks` are
    called when a producer is created and stopped. `fence` is open while this process may send.
    """

    def __init__(
        self,
        kafka: Mapping[str, Any],
        source: str,
        fence: Fence | None = None,
        hooks: ProducerHooks | None = None,
    ) -> None:
        self._kafka = kafka
        self._source = source
        self._fence = fence or Fence()
        self._hooks = hooks or ProducerHooks()
        self._producer: AIOKafkaProducer | None = None
        self._stopping: set[asyncio.Task[None]] = set()

    async def send(self, rows: Sequence[OutboxRow]) -> None:
        """Send outbox rows to Kafka, in order, and wait for every acknowledgement.

        Rows of one key and topic arrive in the order given. After KafkaUnavailable any row may have been sent: send
        all of them again. After RowsNotSent send only the rows that it names. Consumers drop duplicates. After a
        cancellation, rows that were not handed to the client are not sent.

        Raises:
            RowsNotSent: it names the rows that were not acknowledged. Some of them may be in Kafka.
            KafkaUnavailable: Kafka is unavailable, or this process may not send.
        """
        try:
            unsent = await self._send(rows)
        except (KafkaError, OSError, TimeoutError) as error:
            await self.close()
            raise await refusals.unavailable_error(error, self._kafka, "Write") from error
        except asyncio.CancelledError:
            self._abandon()
            raise
        OUTAGES.answered(KAFKA)
        published = Counter([row.topic for row in rows])
        published.subtract(each.row.topic for each in unsent)
        for topic, count in published.items():
            metrics.count_sent(topic, count)
        if unsent:
            raise RowsNotSent(unsent)

    async def close(self) -> None:
        """Close the connection. A later send opens a new one."""
        self._abandon()
        if self._stopping:
            await asyncio.wait(self._stopping)

    def _abandon(self) -> None:
        """Stop using the producer. Whether it sends its buffered records first depends on `hooks.stop`."""
        producer = self._producer
        self._producer = None
        if producer is not None:
            stopping = asyncio.create_task(self._stop_in_time(producer))
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)

    async def _stop_in_time(self, producer: AIOKafkaProducer) -> None:
        stopping = asyncio.ensure_future(self._hooks.stop(producer))
        await asyncio.wait([stopping], timeout=CLOSE_SECONDS)
        stopping.cancel()
        # A producer that is cut off while it stops leaves its connections open.
        closing = asyncio.ensure_future(producer.client.close())
        _, running = await asyncio.wait([stopping, closing], timeout=CLOSE_SECONDS)
        for task in (stopping, closing):
            task.cancel()
            if task not in running and not task.cancelled():
                task.exception()  # of a client that could not stop in order: nothing depends on it any more

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            # aiokafka's own defaults lose data: acks=1 and no idempotence.
            producer = AIOKafkaProducer(
                **self._kafka,
                acks="all",
                enable_idempotence=True,
                max_batch_size=MAX_BATCH_BYTES,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
                partitioner=_partition_of,
            )
            self._hooks.created(producer, lambda: producer is self._producer and self._fence.is_open())
            self._producer = producer
            async with asyncio.timeout(CONNECT_SECONDS):
                await producer.start()
        return self._producer

    async def _send(self, rows: Sequence[OutboxRow]) -> list[Unsent]:
        """Returns the rows that were not acknowledged."""
        producer = await self._connected()
        of_topic: defaultdict[str, list[OutboxRow]] = defaultdict(list)
        for row in rows:
            of_topic[row.topic].append(row)
        unsent = await self._send_topics(producer, list(of_topic.values()))
        reasons = {each.reason for each in unsent}
        if UnsentReason.TOPIC_UNAVAILABLE in reasons:
            await _check_that_kafka_answers(producer)
        if reasons & {UnsentReason.TOPIC_UNAVAILABLE, UnsentReason.BATCH_REFUSED}:
            # The broker's state of a partition's sequence numbers is not known any more.
            await self.close()
        return unsent

    async def _send_topics(
        self, producer: AIOKafkaProducer, topics: Sequence[Sequence[OutboxRow]]
    ) -> list[Unsent]:
        deadline = PageDeadline(SEND_SECONDS, LATE_SECONDS)
        sending = [self._send_topic(producer, rows, deadline) for rows in topics]
        unsent: list[Unsent] = []
        for result in await asyncio.gather(*sending, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
            unsent += result
        return unsent

    async def _send_topic(
        self, producer: AIOKafkaProducer, rows: Sequence[OutboxRow], deadline: PageDeadline
    ) -> list[Unsent]:
        """Send rows of one topic. Returns those that were not acknowledged."""
        handed: list[OutboxRow] = []
        deliveries: list[asyncio.Future[Any]] = []
        refused: list[Unsent] = []
        try:
            async with deadline.limit():
                if producer.client.cluster.partitions_for_topic(rows[0].topic) is None:
                    await _find_topic(producer, rows[0].topic)
                await self._hand_over(producer, rows, handed, deliveries, refused)
                results = await asyncio.gather(*deliveries, return_exceptions=True)
        except TOPIC_ERRORS as error:
            text = refusals.text_of(error, self._kafka, "Write")
            return [Unsent(row, UnsentReason.TOPIC_UNAVAILABLE, text) for row in rows]
        except TimeoutError:
            results = [_result_so_far(delivery) for delivery in deliveries]
            decided = {row.event_id for row in handed} | {each.row.event_id for each in refused}
            late = [row for row in rows if row.event_id not in decided]
            refused += [Unsent(row, UnsentReason.TOPIC_UNAVAILABLE, "not taken in time") for row in late]
        failed = [
            _failed(row, result, self._kafka)
            for row, result in zip(handed, results, strict=True)
            if isinstance(result, BaseException)
        ]
        if not refused and not failed:
            deadline.one_is_sent()
        return refused + failed

    async def _hand_over(
        self,
        producer: AIOKafkaProducer,
        rows: Sequence[OutboxRow],
        handed: list[OutboxRow],
        deliveries: list[asyncio.Future[Any]],
        refused: list[Unsent],
    ) -> None:
        """Hand rows to the client, in order. If it refuses a row, later rows of the same key are not handed over."""
        keys: set[str] = set()
        for row in rows:
            if keys and row.key in keys:
                refused.append(Unsent(row, UnsentReason.EARLIER_ROW, "an earlier row of its key was refused"))
                continue
            try:
                deliveries.append(await self._hand_over_one(producer, row))
            except UNSENDABLE_ERRORS as error:
                keys.add(row.key)
                refused.append(Unsent(row, UnsentReason.REFUSED, repr(error)))
            except Exception as error:
                if not isinstance(error, (KafkaError, OSError)):  # a bug: an operator can set the row aside
                    log.error("relay.row_failed", event_id=str(row.event_id), error=repr(error))
                raise
            else:
                handed.append(row)

    async def _hand_over_one(self, producer: AIOKafkaProducer, row: OutboxRow) -> asyncio.Future[Any]:
        span = _publish_span(row)
        try:
            traceparent = tracing.traceparent_of(span) or row.traceparent
            cause = Cause(row.causation_id, row.correlation_id, traceparent)
            headers = encode(row.event_id, self._source, row.type, row.key, row.time, cause)
            delivery: asyncio.Future[Any] = await producer.send(
                row.topic, row.data.encode(), row.key.encode(), headers=headers
            )
        except BaseException:
            span.end()
            raise
        # The span ends also when the delivery fails: the broker may have the record, and its readers continue the span.
        delivery.add_done_callback(lambda _: span.end())
        return delivery


async def _find_topic(producer: AIOKafkaProducer, topic: str) -> None:
    """Raises UnknownTopicOrPartitionError or TopicAuthorizationFailedError."""
    try:
        async with asyncio.timeout(TOPIC_SECONDS):
            await producer.partitions_for(topic)
    except TimeoutError as error:
        raise UnknownTopicOrPartitionError(topic) from error


async def _check_that_kafka_answers(producer: AIOKafkaProducer) -> None:
    """Raises KafkaConnectionError or TimeoutError."""
    async with asyncio.timeout(ANSWER_SECONDS):
        if not await producer.client.force_metadata_update():
            raise KafkaConnectionError("no broker answers")


def _result_so_far(delivery: asyncio.Future[Any]) -> object:
    """The result of a delivery: an error, TimeoutError without an answer, or any other value if it was made."""
    if not delivery.done() or delivery.cancelled():
        delivery.cancel()
        return TimeoutError("not acknowledged in time")
    return delivery.exception()


def _failed(row: OutboxRow, error: BaseException, kafka: Mapping[str, Any]) -> Unsent:
    """The row as not acknowledged, because of `error`. Raises `error` if it is not about the row or its topic."""
    if isinstance(error, (*TOPIC_ERRORS, TimeoutError)):
        return Unsent(row, UnsentReason.TOPIC_UNAVAILABLE, refusals.text_of(error, kafka, "Write"))
    if isinstance(error, BrokerResponseError) and not isinstance(error, PRODUCER_ERRORS):
        return Unsent(row, UnsentReason.BATCH_REFUSED, repr(error))
    raise error


def _partition_of(key: bytes, partitions: Sequence[int], available: Sequence[int]) -> int:
    """Kafka's own choice. The outbox has computed the same hash for the key's shard, and it is cached there."""
    return partitions[key_hash(key) % len(partitions)]


def _publish_span(row: OutboxRow) -> MessageSpan:
    """A span from the write of the row to the broker's acknowledgement, so that it shows the time in the outbox."""
    written_ns = int(row.time.timestamp() * 1_000_000) * 1_000
    ids = MessageIds(row.topic, row.event_id, row.correlation_id)
    return tracing.publish_span(row.type, ids, row.traceparent, written_ns)
