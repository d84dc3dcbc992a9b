"""The log of a shop: the topics of Kafka, or the outboxes in a shop without Kafka. The reader sees no difference."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

from shop_observe import kafka_log, outbox_log
from shop_observe.kafka_log import Entry, Log
from shop_observe.topics import Topic
from shop_stack.target import Target


async def read_log(target: Target, topics: Sequence[Topic]) -> Log:
    """All messages that the topics hold now, from their first one. Raises LogUnreadable if they cannot be read."""
    if target.shape.has_kafka:
        return await kafka_log.read_log(target, topics)
    return await outbox_log.read_outboxes(target, topics)


def follow(target: Target, topics: Sequence[Topic], since: datetime) -> AsyncGenerator[list[Entry], None]:
    """The messages since a moment, then new ones as they arrive, in batches; [] after 0.2 s without a message.

    Raises LogUnreadable if they cannot be read.
    """
    if target.shape.has_kafka:
        return kafka_log.follow(target, topics, since)
    return outbox_log.follow_outboxes(target, topics, since)
