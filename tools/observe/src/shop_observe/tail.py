"""Reads the records of topics from Kafka without a consumer group, so that no service is affected."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from shop_observe import raw_batches
from shop_observe.limited_codecs import limit_the_library
from shop_stack.errors import UserError
from shop_stack.target import Target

# Errors are reported as one sentence of a UserError. Without this handler the client would log its own lines around it.
logging.getLogger("aiokafka").addHandler(logging.NullHandler())

SILENT_SECONDS = 30.0
"""Seconds without a message, although the topics have more, after which the log counts as unreadable."""


class LogUnreadable(UserError):
    """The log cannot be read. The message says what to do."""


@asynccontextmanager
async def reader(target: Target, topics: Sequence[str]) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without a group, at the beginning of every partition of the topics. Raises LogUnreadable.

    From the first reader on, the client library of this process inflates no batch beyond a limit.
    """
    limit_the_library()
    places = await partitions_of(target, topics)
    consumer = AIOKafkaConsumer(
        **target.kafka.client,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
        max_poll_records=10_000,
    )
    try:
        await consumer.start()
        consumer.assign(places)
        yield consumer
    finally:
        await consumer.stop()


async def partitions_of(target: Target, topics: Sequence[str]) -> list[TopicPartition]:
    """Every partition that the topics have now. Raises LogUnreadable if Kafka is unavailable or lacks a topic."""
    admin = AIOKafkaAdminClient(**target.kafka.client)
    try:
        await admin.start()
        described = await admin.describe_topics(list(topics))
    except (KafkaError, OSError) as error:
        raise LogUnreadable(f"Kafka at {target.kafka} does not answer ({error}): is the shop up?") from None
    finally:
        await admin.close()
    if missing := [topic["topic"] for topic in described if topic["error_code"]]:
        raise LogUnreadable(
            f"Kafka lacks {', '.join(missing)}: `shop down` and `shop up` declare all topics again."
        )
    return [TopicPartition(t["topic"], p["partition"]) for t in described for p in t["partitions"]]


@asynccontextmanager
async def whole(target: Target, topics: Sequence[str]) -> AsyncIterator[Tail]:
    """The records of the topics from the first one on.

    Raises LogUnreadable if Kafka is unavailable or silent, also in the context.
    """
    try:
        async with reader(target, topics) as consumer:
            beginnings = await consumer.beginning_offsets(list(consumer.assignment()))
            yield Tail(target, consumer, beginnings)
    except (KafkaError, OSError) as error:
        raise LogUnreadable(f"Kafka at {target.kafka} does not answer ({error}): is the shop up?") from None


class Tail:
    """Reads records one after the other, including those that the client library cannot parse."""

    def __init__(
        self,
        target: Target,
        consumer: AIOKafkaConsumer,
        starts: Mapping[TopicPartition, int],
    ) -> None:
        self._target = target
        self._consumer = consumer
        self.starts = dict(starts)
        """Partition → the offset of the first record."""
        self.positions = dict(starts)
        """Partition → the offset of the next record."""
        self._go_to_positions()

    async def to_the_ends(self) -> AsyncIterator[Sequence[Any]]:
        """The records that the topics have now, in batches. Raises LogUnreadable if Kafka is unavailable or silent."""
        ends: Mapping[TopicPartition, int] = await self._consumer.end_offsets(list(self.positions))
        heard_at = time.monotonic()
        while any(self.positions[place] < ends[place] for place in self.positions):
            before = dict(self.positions)
            yield await self.take(timeout_ms=500)
            if self.positions != before:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > SILENT_SECONDS:
                raise LogUnreadable(f"Kafka at {self._target.kafka} is silent: is the shop up?")

    async def take(self, timeout_ms: int) -> list[Any]:
        """The next records, at most a few thousand; [] if none arrives within the timeout.

        A record is one of aiokafka, or a RawRecord if the library could not parse it.

        Raises LogUnreadable if Kafka is unavailable.
        """
        try:
            batches = await self._consumer.getmany(timeout_ms=timeout_ms)
            records = [record for batch in batches.values() for record in batch]
            for place in self.positions:
                self.positions[place] = await self._consumer.position(place)
        except Exception:  # each codec, and each fault of a batch, has an exception of its own
            records = await self._read_by_hand()
        return records

    async def _read_by_hand(self) -> list[Any]:
        """One fetch of each partition. The library may have dropped records that it read before the error."""
        records: list[Any] = []
        client = AIOKafkaClient(**self._target.kafka.client)
        try:
            await client.bootstrap()
            await client.set_topics({place.topic for place in self.positions})
            ends = await self._consumer.end_offsets(list(self.positions))
            for place in self.positions:
                if self.positions[place] < ends[place]:
                    found, behind = await raw_batches.fetch(client, place, self.positions[place])
                    records += found
                    self.positions[place] = behind
        except (KafkaError, OSError) as error:
            raise LogUnreadable(
                f"Kafka at {self._target.kafka} does not answer ({error}): is the shop up?"
            ) from None
        finally:
            await client.close()
        self._go_to_positions()
        return records

    def _go_to_positions(self) -> None:
        for place, offset in self.positions.items():
            self._consumer.seek(place, offset)
