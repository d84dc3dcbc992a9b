"""Databases and topics for one measurement."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient

from shop_lab.replicas import SETTLING
from shop_lab.testbed import Testbed
from shop_stack import topics
from shop_stack.topics import Topic

PARTITIONS = 12
LOOKS = 4
ORDER_TOPICS = frozenset(
    {
        "orders.order.v1",
        "inventory.reservation.v1",
        "payments.payment.v1",
        "notifications.notification.v1",
    }
)
"""The topics whose key is an order."""


@asynccontextmanager
async def database(testbed: Testbed) -> AsyncIterator[str]:
    """The URL of an empty database with the chassis' tables. It is dropped at the end of the context.

    The services are stopped meanwhile. The database is a copy of that of orders, so it has the tables that a service
    has in this release.
    """
    server = testbed.stack.server
    async with testbed.without_services():
        async with testbed.database("postgres") as connection:
            await connection.execute("CREATE DATABASE scratch TEMPLATE orders")
        async with testbed.database("scratch") as connection:
            await connection.execute("TRUNCATE outbox, inbox")
            await connection.execute("UPDATE relay_cursor SET owner = NULL, lease_until = NULL")
        try:
            yield server.url("scratch", server.superuser, server.password)
        finally:
            async with testbed.database("postgres") as connection:
                await connection.execute("DROP DATABASE scratch WITH (FORCE)")


async def topic(testbed: Testbed, name: str) -> str:
    """Create a topic for one measurement. Returns its full name."""
    whole = f"bench.{name}-{time.time_ns()}"
    settings = {"cleanup.policy": "delete", "retention.ms": "3600000"}
    await topics.declare(testbed.kafka, [Topic(whole, PARTITIONS, settings)])
    return whole


async def repartition(testbed: Testbed, partitions: int | None) -> None:
    """Create the topics of orders anew with `partitions` partitions each; None: with the declared numbers.

    Their messages and the groups' offsets are deleted. So every message must have been handled before.
    """
    copies = [
        Topic(topic.name, partitions or topic.partitions, topic.settings)
        for topic in topics.declared(testbed.target.contracts)
        if topic.name in ORDER_TOPICS
    ]
    async with testbed.without_services():
        # A static member that returns within its session timeout would get its old partitions, and no new ones.
        await asyncio.sleep(SETTLING)
        admin = AIOKafkaAdminClient(**testbed.kafka.client)
        await admin.start()
        await admin.delete_topics(list(ORDER_TOPICS))
        await _becomes(admin, {})
        await topics.declare(testbed.kafka, copies)
        await _becomes(admin, {topic.name: topic.partitions for topic in copies})
        await admin.close()


async def _becomes(admin: AIOKafkaAdminClient, wanted: dict[str, int]) -> None:
    """Return when the broker has reported the wanted topics several times: it deletes topics asynchronously."""
    agreed = 0
    while agreed < LOOKS:
        found = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
        seen = {name: count for name, count in found.items() if name in ORDER_TOPICS and count}
        agreed = agreed + 1 if seen == wanted else 0
        await asyncio.sleep(0.3)
