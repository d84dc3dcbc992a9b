"""The inbox must keep an event's row for as long as a topic can deliver the event again (docs/decisions/0020).

An event that is delivered after its inbox row was deleted would have its effect twice.
"""

import asyncio
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAuthorizationFailedError

from chassis.errors import KafkaUnavailable
from chassis.kafka.refusals import raising_refused
from chassis.observability import metrics

log = structlog.get_logger()

CURE = "The inbox must remember longer: set INBOX_RETENTION to more, or retention.ms or segment.ms to less."

DELETION_DELAY = timedelta(minutes=10)
"""Brokers look every 5 minutes for segments that have expired (log.retention.check.interval.ms); the rest is a margin.
"""

CHECK_SECONDS = 600.0

FOREVER = timedelta.max
MILLISECOND = timedelta(milliseconds=1)


class RetentionTooShort(Exception):
    """A topic, together with the outbox of its producer, can deliver an event after its inbox row was deleted."""


async def check_retention(
    kafka: Mapping[str, Any],
    topics: Collection[str],
    inbox: timedelta,
    outbox: timedelta = timedelta(0),
) -> None:
    """Compare the retention of the inbox with the time for which topics can deliver an event.

    `outbox` is the time for which the producer can publish an event again. Compacted topics are not checked, because
    they keep the last event of each key for ever. Their handlers must ignore old versions by themselves.

    Raises:
        RetentionTooShort: with every such topic and the settings to change. The consumer does not start then.
        KafkaRefused: the user lacks the right to see a topic's settings.
        KafkaUnavailable: the broker does not know a topic yet.
    """
    faults: list[str] = []
    for topic, life in (await _lives(kafka, topics)).items():
        needed = _sum(life, outbox)
        is_too_short = inbox < needed
        metrics.RETENTION_TOO_SHORT.labels(topic).set(is_too_short)
        if is_too_short:
            times = "for ever" if needed == FOREVER else f"for up to {needed}"
            faults.append(f"{topic} can deliver an event {times}, the inbox remembers {inbox}.")
    if faults:
        raise RetentionTooShort(" ".join([*faults, CURE]))


async def watch_retention(
    kafka: Mapping[str, Any], topics: Collection[str], inbox: timedelta, outbox: timedelta
) -> None:
    """Check every ten minutes, until cancelled.

    A retention that is too short is logged and measured, and the consumer continues.

    Raises KafkaRefused, KafkaUnavailable or another error of Kafka if the topics cannot be read. Then call it again.
    """
    while True:
        try:
            await check_retention(kafka, topics, inbox, outbox)
        except RetentionTooShort as error:
            log.error("inbox.retention_too_short", error=str(error))
        await asyncio.sleep(CHECK_SECONDS)


async def _lives(kafka: Mapping[str, Any], topics: Collection[str]) -> dict[str, timedelta]:
    """Topic → the time for which it can deliver an event after the write, for topics that delete events."""
    lives: dict[str, timedelta] = {}
    async with raising_refused(kafka, "DescribeConfigs"):
        configs = await _topic_configs(kafka, topics)
    for topic, config in configs.items():
        if "retention.ms" not in config:
            raise KafkaUnavailable(f"Kafka does not know the topic {topic} (yet)")
        if "compact" not in config["cleanup.policy"]:
            lives[topic] = _life(config)
    return lives


def _life(config: Mapping[str, str]) -> timedelta:
    """The time for which a topic can deliver an event. Kafka deletes a whole segment when its newest event has expired.

    The oldest event of a segment is older by up to `segment.ms`.
    """
    retention_ms = int(config["retention.ms"])
    if retention_ms < 0:
        return FOREVER
    return _sum(_milliseconds(retention_ms), _milliseconds(int(config["segment.ms"])), DELETION_DELAY)


def _milliseconds(number: int) -> timedelta:
    return FOREVER if number >= FOREVER // MILLISECOND else number * MILLISECOND


def _sum(*times: timedelta) -> timedelta:
    """The sum, or the longest timedelta if the sum is longer."""
    total = timedelta(0)
    for time in times:
        total = FOREVER if time >= FOREVER - total else total + time
    return total


async def _topic_configs(kafka: Mapping[str, Any], topics: Collection[str]) -> dict[str, dict[str, str]]:
    wanted = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in sorted(topics)]
    admin = AIOKafkaAdminClient(**kafka)
    try:
        await admin.start()
        answers = await admin.describe_configs(wanted)
    finally:
        await admin.close()
    resources = [resource for answer in answers for resource in answer.resources]
    if refused := {
        topic for code, _, _, topic, _ in resources if code == TopicAuthorizationFailedError.errno
    }:
        raise TopicAuthorizationFailedError(refused)
    return {topic: {entry[0]: entry[1] for entry in entries} for _, _, _, topic, entries in resources}
