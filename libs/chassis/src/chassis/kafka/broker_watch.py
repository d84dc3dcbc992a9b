"""Asks at a fixed interval whether Kafka answers, because aiokafka's polls return no error while no broker answers."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from chassis.errors import KAFKA
from chassis.kafka.refusals import login_refusal
from chassis.observability.outages import OUTAGES
from chassis.observability.status import OK, TaskStatus

CHECK_SECONDS = 4.0
"""Seconds between two requests. It is also the time limit for each answer."""


async def watch_broker(
    client: AIOKafkaConsumer, status: TaskStatus, kafka: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """Ask until cancelled. Updates the consumer's status and the outage of Kafka.

    A client that has been connected keeps trying after its login was refused, and raises nothing. So this function
    logs in once more with `kafka`, which is `ServiceSettings.kafka`, to find out whether the broker refuses the login
    or does not answer.
    """
    is_away = False
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await _ask(client)
        except (KafkaError, OSError, TimeoutError) as error:
            is_away = True
            refused = await login_refusal(kafka)
            OUTAGES.failed(KAFKA, "consumer", refused or error)
            status.set(f"waits for kafka: {refused or type(error).__name__}")
            continue
        OUTAGES.answered(KAFKA)
        if is_away:
            is_away = False
            status.set(OK)


async def _ask(client: AIOKafkaConsumer) -> None:
    """Ask for the end of one partition, which is a small request, or for the topics if there is no partition."""
    partition = next(iter(client.assignment()), None)
    if partition is None:
        await client.topics()
    else:
        await client.end_offsets([partition])
