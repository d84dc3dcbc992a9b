"""The inbox must remember an event for at least as long as a topic can deliver it again.

An event that outlives its inbox row would have its effect twice.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from chassis.errors import KafkaUnavailable

CURE = "The inbox must remember longer: set INBOX_RETENTION to more, or retention.ms to less."


class RetentionTooShort(Exception):
    """A topic keeps events for longer than the inbox remembers them."""


async def check_retention(kafka: Mapping[str, Any], topics: Collection[str], inbox: timedelta) -> None:
    """Compare the inbox's memory with the retention of the topics that it reads.

    A compacted topic keeps its last events for ever. Their handlers have a version guard instead.

    Raises:
        RetentionTooShort: with the cure.
        KafkaUnavailable: the broker does not know a topic yet.
    """
    for topic, config in (await _topic_configs(kafka, topics)).items():
        if "retention.ms" not in config:
            raise KafkaUnavailable(f"Kafka does not know the topic {topic} (yet)")
        is_compacted = "compact" in config["cleanup.policy"]
        retention_ms = int(config["retention.ms"])
        is_forever = retention_ms < 0
        if not is_compacted and (is_forever or retention_ms > inbox / timedelta(milliseconds=1)):
            raise RetentionTooShort(f"{topic} has retention.ms={retention_ms}, the inbox {inbox}. {CURE}")


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
