"""The inbox must remember an event for at least as long as a topic can deliver it again (docs/decisions/0020).

An event that outlives its inbox row would have its effect twice.
"""

import asyncio
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from chassis.errors import KafkaUnavailable
from chassis.observability import metrics

log = structlog.get_logger()

CURE = "The inbox must remember longer: set INBOX_RETENTION to more, or retention.ms or segment.ms to less."

DELETION_DELAY = timedelta(minutes=10)
"""Brokers look every 5 minutes for segments that have expired (log.retention.check.interval.ms)."""

CHECK_SECONDS = 600.0

FOREVER = timedelta.max
MILLISECOND = timedelta(milliseconds=1)


class RetentionTooShort(Exception):
    """A topic keeps events for longer than the inbox remembers them."""


async def check_retention(
    kafka: Mapping[str, Any],
    topics: Collection[str],
    inbox: timedelta,
    outbox: timedelta = timedelta(0),
) -> None:
    """Compare the inbox's memory with the time that topics can deliver an event.

    `outbox` is how long its producer can publish it again. A compacted topic keeps its last events for ever. Their
    handlers have a version guard instead.

    Raises:
        RetentionTooShort: with every such topic and the cure.
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
    """Check every ten minutes, until cancelled. A consumer that runs goes on: the metric and the log say what to do."""
    while True:
        try:
            await check_retention(kafka, topics, inbox, outbox)
        except RetentionTooShort as error:
            log.error("inbox.retention_too_short", error=str(error))
        await asyncio.sleep(CHECK_SECONDS)


async def _lives(kafka: Mapping[str, Any], topics: Collection[str]) -> dict[str, timedelta]:
    """How long each topic that deletes its events can deliver one after it was written."""
    lives: dict[str, timedelta] = {}
    for topic, config in (await _topic_configs(kafka, topics)).items():
        if "retention.ms" not in config:
            raise KafkaUnavailable(f"Kafka does not know the topic {topic} (yet)")
        if "compact" not in config["cleanup.policy"]:
            lives[topic] = _life(config)
    return lives


def _life(config: Mapping[str, str]) -> timedelta:
    """Kafka deletes whole segments, each when its newest event has expired. Its oldest is older by `segment.ms`."""
    retention_ms = int(config["retention.ms"])
    if retention_ms < 0:
        return FOREVER
    return _sum(_milliseconds(retention_ms), _milliseconds(int(config["segment.ms"])), DELETION_DELAY)


def _milliseconds(number: int) -> timedelta:
    return FOREVER if number >= FOREVER // MILLISECOND else number * MILLISECOND


def _sum(*times: timedelta) -> timedelta:
    """A sum that ends at the longest time there is."""
    total = timedelta(0)
    for time in times:
        total = FOREVER if time >= FOREVER - total else total + time
    return total


async def _topic_configs(kafka: Mapping[str, Any], topics: Collection[str]) -> dict[str, dict[str, str]]:
    admin = AIOKafkaAdminClient(**kafka)
    try:
        await admin.start()
        wanted = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in sorted(topics)]
        answers = await admin.describe_configs(wanted)
    finally:
        await admin.close()
    resources = [resource for answer in answers for resource in answer.resources]
    return {topic: {entry[0]: entry[1] for entry in entries} for _, _, _, topic, entries in resources}
