"""Whether a broker of a cluster has caught up: then the next one may be stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess


async def until_in_sync(access: KafkaAccess, node: int, patience: float = 90.0) -> None:
    """Return when the broker `node` has every record of each partition of which it is a replica.

    `access` is the login of a principal that may describe all topics. Raises UserError after `patience` seconds: a
    partition whose leader is away gives the broker nothing to copy.
    """
    missing: list[str] = []
    try:
        async with asyncio.timeout(patience):
            while True:
                missing = await _missing(access, node)
                if not missing:
                    return
                await asyncio.sleep(0.5)
    except TimeoutError:
        behind = f" {len(missing)} partitions are incomplete there, such as {missing[0]}." if missing else ""
        raise UserError(
            f"Broker {node} of Kafka runs, but it has not caught up with the others after {patience:.0f} s.{behind} "
            "Start the other brokers with `shop up`, then restart this one."
        ) from None


async def _missing(access: KafkaAccess, node: int) -> list[str]:
    admin = AIOKafkaAdminClient(**access.client)
    try:
        await admin.start()
        return missing_from(await admin.describe_topics(), node)
    except KafkaError as error:
        return [f"all of them: {error!r}"]
    finally:
        await admin.close()


def missing_from(topics: Iterable[Mapping[str, Any]], node: int) -> list[str]:
    """The partitions, as ``topic-number``, of which `node` is a replica that is not in sync.

    `topics` is the answer of `describe_topics`.
    """
    return [
        f"{topic['topic']}-{partition['partition']}"
        for topic in topics
        for partition in topic["partitions"]
        if node in partition["replicas"] and node not in partition["isr"]
    ]
