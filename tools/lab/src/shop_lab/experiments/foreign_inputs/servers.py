"""Faults of PostgreSQL and of topics, each undone at its end.

Each fault is given to one service after another, and each begins with a different service. The time of a fault is a
`Window`: a part of the shop is disturbed on purpose, so an order may take longer then.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

import asyncpg
import psutil
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from shop_lab.experiments.foreign_inputs.batches import Record, batch_of
from shop_lab.experiments.foreign_inputs.input import REFUSED, Give, Tally, Window, World
from shop_stack import paths, topics
from shop_stack.ports import SERVICES
from shop_stack.stack import POSTGRES

FREEZE_SECONDS = 20.0
REVOKE_SECONDS = 10.0
LOCK_SECONDS = 5.0
LIMIT_SECONDS = 10.0
CODEC_SECONDS = 5.0
LOCK_PATIENCE_MS = 2_000
"""How long a statement of this module waits for its lock. Without a limit it could block the service's statements."""

FROZEN = "backends frozen"
RECONNECTED = "new connections"
WAITED = "sessions that waited for the lock"
APPLIED = "applied"

HOT_TABLES: Mapping[str, tuple[str, str]] = {
    "orders": ("orders", "INSERT"),
    "inventory": ("inbox", "INSERT"),
    "payments": ("payments", "UPDATE"),
    "notifications": ("outbox", "INSERT"),
    "analytics": ("order_facts", "INSERT"),
}
"""Service → (table that each order writes to, privilege that this needs)."""
HOT_TABLE = ("inbox", "INSERT")
"""The same for every other service."""

LIMITED_TOPICS = ("inventory.dead-letters", "payments.payment.v1", "analytics.dead-letters")
LIMIT_BYTES = 4_096
"""More than one ordinary event needs, and less than a batch of several."""
CODECS = ("lz4", "snappy", "zstd", "gzip")
COMPRESSED_TOPIC = "orders.order.v1"

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@asynccontextmanager
async def window(world: World) -> AsyncIterator[None]:
    """Record the time in which the context lasts as a window: a part of the shop is disturbed."""
    begin = time.time()
    try:
        yield
    finally:
        world.windows.append(Window(begin, time.time()))


# --- PostgreSQL -----------------------------------------------------------------------------------


async def freeze(world: World, tally: Tally) -> None:
    """Send SIGSTOP to the idle backends of one service's connections, and SIGCONT after FREEZE_SECONDS."""
    service = _in_turn(SERVICES, tally)
    server = world.testbed.stack.daemon(POSTGRES).pid
    async with world.testbed.database(service) as database:
        before = await _backends(database, service)
        idle = [pid for pid, state in before.items() if state == "idle" and _is_child(pid, server)]
        async with window(world):
            try:
                for pid in idle:
                    os.kill(pid, signal.SIGSTOP)
                    tally.answers[FROZEN] += 1
                await asyncio.sleep(FREEZE_SECONDS)
                tally.answers[RECONNECTED] += len((await _backends(database, service)).keys() - before)
            finally:
                for pid in idle:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGCONT)


async def _backends(database: Connection, service: str) -> dict[int, str]:
    """Process id → state of each connection of a service's own role."""
    rows = await database.fetch(
        "SELECT pid, state FROM pg_stat_activity"
        " WHERE datname = $1 AND usename = $1 AND backend_type = 'client backend'",
        service,
    )
    return {row["pid"]: row["state"] for row in rows}


def _is_child(pid: int, parent: int | None) -> bool:
    """Whether the process is a child of this stack's server: no other process may be stopped."""
    try:
        return parent is not None and psutil.Process(pid).ppid() == parent
    except psutil.Error:
        return False


async def revoke(world: World, tally: Tally) -> None:
    """Revoke a privilege on a hot table from a service's role for REVOKE_SECONDS."""
    service = _in_turn(SERVICES, tally, 1)
    table, privilege = HOT_TABLES.get(service, HOT_TABLE)
    async with world.testbed.database(service) as database, window(world):
        try:
            await database.execute(f"REVOKE {privilege} ON {table} FROM {service}")
            tally.answers[APPLIED] += 1
            await asyncio.sleep(REVOKE_SECONDS)
        finally:
            await database.execute(f"GRANT {privilege} ON {table} TO {service}")


async def add_column(world: World, tally: Tally) -> None:
    """Add a column to a hot table and drop it again. Prepared statements on the table must then be prepared again."""
    service = _in_turn(SERVICES, tally, 3)
    table, _ = HOT_TABLES.get(service, HOT_TABLE)
    async with world.testbed.database(service) as database, window(world):
        await database.execute(f"SET lock_timeout = {LOCK_PATIENCE_MS}")
        try:
            await database.execute(f"ALTER TABLE {table} ADD COLUMN foreign_note text")
            tally.answers[APPLIED] += 1
            await asyncio.sleep(1.0)
        finally:
            await database.execute("SET lock_timeout = 0")
            await database.execute(f"ALTER TABLE {table} DROP COLUMN IF EXISTS foreign_note")


async def hold_lock(world: World, tally: Tally) -> None:
    """Lock a hot table for LOCK_SECONDS."""
    service = _in_turn(SERVICES, tally, 2)
    table, _ = HOT_TABLES.get(service, HOT_TABLE)
    async with world.testbed.database(service) as database, window(world), database.transaction():
        await database.execute(f"SET LOCAL lock_timeout = {LOCK_PATIENCE_MS}")
        await database.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(LOCK_SECONDS)
        tally.answers[WAITED] += await database.fetchval(
            "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND relation = to_regclass($1)", table
        )


# --- Topics ---------------------------------------------------------------------------------------


async def limit_topic(world: World, tally: Tally) -> None:
    """Let a topic accept only small batches for LIMIT_SECONDS. A larger batch of this input must be refused."""
    topic = _in_turn(LIMITED_TOPICS, tally)
    too_large = batch_of([Record(b"foreign", bytes(2 * LIMIT_BYTES))])
    async with window(world), _setting(world, topic, "max.message.bytes", str(LIMIT_BYTES)):
        try:
            await world.producer.send(topic, 0, too_large)
        except KafkaError:
            tally.answers[REFUSED] += 1
        await asyncio.sleep(LIMIT_SECONDS)


def compress_topic(codec: str) -> Give:
    """An input: the broker compresses each batch of ordinary orders for CODEC_SECONDS, which must not stop them."""

    async def give(world: World, tally: Tally) -> None:
        async with _setting(world, COMPRESSED_TOPIC, "compression.type", codec):
            tally.answers[APPLIED] += 1
            await asyncio.sleep(CODEC_SECONDS)

    return give


@asynccontextmanager
async def _setting(world: World, topic: str, name: str, value: str) -> AsyncIterator[None]:
    """Add a setting to a topic while the context lasts. Kafka always replaces all settings of a topic."""
    declared = next(one for one in topics.declared(paths.contracts()) if one.name == topic)
    admin = AIOKafkaAdminClient(**world.testbed.kafka.client)
    await admin.start()
    try:
        await _configure(admin, topic, {**declared.settings, name: value})
        yield
    finally:
        await _configure(admin, topic, declared.settings)
        await admin.close()


async def _configure(admin: AIOKafkaAdminClient, topic: str, settings: Mapping[str, str]) -> None:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=dict(settings))
    for answer in await admin.alter_configs([resource]):
        for code, message, *_ in answer.resources:
            if code:
                raise KafkaError(f"{topic} could not be configured: {message}")


def _in_turn(names: Collection[str], tally: Tally, first: int = 0) -> str:
    """The name whose turn it is. `first` is the index of the name that begins."""
    chosen = tuple(names)
    return chosen[(tally.given - 1 + first) % len(chosen)]
