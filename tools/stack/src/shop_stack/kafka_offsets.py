"""The committed offsets of a group that has no member."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess

PATIENCE = 60.0
"""Seconds in which the session of a member that has ended without leaving times out."""


async def wind_back(
    access: KafkaAccess, group: str, firsts: Mapping[TopicPartition, int], patience: float = PATIENCE
) -> dict[TopicPartition, int]:
    """Commit earlier offsets, where the group has read further. Returns the number of records it reads again, by
    partition.

    `access` is the login of a principal that may change the group. Raises UserError if the group still has a member,
    or if Kafka does not answer.
    """
    consumer = AIOKafkaConsumer(**access.client, group_id=group, enable_auto_commit=False)
    try:
        await consumer.start()
        consumer.assign(list(firsts))
        committed = {place: await consumer.committed(place) for place in firsts}
        back = {place: first for place, first in firsts.items() if (committed[place] or 0) > first}
        if back:
            await _commit(consumer, group, back, time.monotonic() + patience)
    except (KafkaError, OSError) as error:
        raise UserError(f"Kafka does not answer ({error}): see `shop status`.") from error
    finally:
        await consumer.stop()
    return {place: (committed[place] or 0) - first for place, first in back.items()}


async def _commit(
    consumer: AIOKafkaConsumer, group: str, offsets: Mapping[TopicPartition, int], deadline: float
) -> None:
    while True:
        try:
            await consumer.commit(dict(offsets))
            return
        except KafkaError as error:
            if time.monotonic() > deadline:
                raise UserError(
                    f"The group {group} still has a member ({error!r}), so its offsets cannot be changed: "
                    f"`shop stop {group}`, then try again."
                ) from error
        await asyncio.sleep(1)
