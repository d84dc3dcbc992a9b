"""Databases and topics for one measurement."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shop.bench.stage import Stage
from shop.stack import topics
from shop.stack.topics import Topic

PARTITIONS = 12


@asynccontextmanager
async def database(stage: Stage) -> AsyncIterator[str]:
    """The URL of a database with the chassis' tables, empty, while the services are stopped; gone on leaving.

    It is a copy of the orders service's, so that its tables are what a service has now, whatever release that is.
    """
    server = stage.stack.server
    async with stage.without_services():
        async with stage.database("postgres") as connection:
            await connection.execute("CREATE DATABASE scratch TEMPLATE orders")
        async with stage.database("scratch") as connection:
            await connection.execute("TRUNCATE outbox, inbox")
            await connection.execute("UPDATE relay_cursor SET owner = NULL, lease_until = NULL")
        try:
            yield server.url("scratch", server.superuser, server.password)
        finally:
            async with stage.database("postgres") as connection:
                await connection.execute("DROP DATABASE scratch WITH (FORCE)")


async def topic(stage: Stage, name: str) -> str:
    """A topic of its own for a measurement; returns its whole name."""
    whole = f"bench.{name}-{time.time_ns()}"
    settings = {"cleanup.policy": "delete", "retention.ms": "3600000"}
    await topics.declare(stage.target.kafka, [Topic(whole, PARTITIONS, settings)])
    return whole
