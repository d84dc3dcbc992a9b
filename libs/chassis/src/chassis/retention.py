"""How long the outbox and the inbox remember.

The outbox keeps what was sent, so that topics that were lost can be filled again. The inbox must remember an event for
at least as long as a topic can deliver it again: an event that outlives its inbox row would have its effect twice.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from chassis import sql
from chassis.database import Database, Unavailable

CURE = "The inbox must remember longer: set INBOX_RETENTION to more, or retention.ms to less."


class RetentionTooShort(Exception):
    """A topic keeps events for longer than the inbox remembers them."""


async def prune(database: Database, outbox: timedelta, inbox: timedelta) -> int:
    """Delete a batch, of each table, of what is older than its retention, and was sent or ended.

    Returns how many rows went. Small batches: no long locks, and vacuum keeps up. Replicas pass over each other's.
    """
    async with database.transaction() as tx:
        limits = {"outbox": outbox, "inbox": inbox, "batch": 5_000}
        return int(await tx.connection.value(sql.statement("prune"), limits))


async def check(kafka: Mapping[str, Any], topics: Collection[str], inbox: timedelta) -> None:
    """Hold the inbox's memory against the retention of the topics it reads. Raises RetentionTooShort with the cure.

    A compacted topic keeps its last events for ever; their handlers have a version guard instead.
    """
    admin = AIOKafkaAdminClient(**kafka)
    try:
        await admin.start()
        wanted = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in sorted(topics)]
        answers = await admin.describe_configs(wanted)
    finally:
        await admin.close()
    for _, _, _, topic, entries in (resource for answer in answers for resource in answer.resources):
        config = {entry[0]: entry[1] for entry in entries}
        if "retention.ms" not in config:
            raise Unavailable(f"Kafka does not know the topic {topic} (yet)")
        # A retention of -1 is for ever.
        compacted, kept = "compact" in config["cleanup.policy"], int(config["retention.ms"])
        if not compacted and not 0 <= kept <= inbox / timedelta(milliseconds=1):
            raise RetentionTooShort(f"{topic} has retention.ms={kept}, the inbox {inbox}. {CURE}")
