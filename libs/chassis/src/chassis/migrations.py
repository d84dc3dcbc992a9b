"""The chassis' own tables, and Alembic's environment for a service.

A service's first migration calls `upgrade_0001(op)`; a later release of the chassis adds upgrade_0002, and so on, and
each service takes it up in a migration of its own when it takes up that release.
"""

import asyncio
import os
from typing import Protocol

from alembic import context
from sqlalchemy import Connection, MetaData
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.outbox import SHARDS


class Operations(Protocol):
    """What is asked of `alembic.op`."""

    def execute(self, sqltext: str) -> None:
        """Run a statement."""


TABLES = ("outbox", "relay_cursor", "relay_member", "inbox", "dead_letters", "idempotency_keys")

_UPGRADE_0001 = [
    # Append-only. xid is the writer's transaction: the relay asks which of them it had not seen yet.
    """
    CREATE TABLE outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        shard smallint NOT NULL,
        event_id uuid NOT NULL,
        topic text NOT NULL,
        key text NOT NULL,
        type text NOT NULL,
        time timestamptz NOT NULL,
        correlation_id text NOT NULL,
        causation_id uuid,
        traceparent text,
        data text NOT NULL
    )
    """,
    "CREATE INDEX outbox_unseen ON outbox (shard, xid)",
    # snapshot: every row visible in it was sent. Where a window is being paged, upper is the window's other end and
    # after_id the last row sent of it.
    """
    CREATE TABLE relay_cursor (
        shard smallint PRIMARY KEY,
        snapshot pg_snapshot NOT NULL,
        upper pg_snapshot,
        after_id bigint NOT NULL DEFAULT 0,
        owner uuid,
        lease_until timestamptz
    ) WITH (fillfactor = 10)
    """,
    f"INSERT INTO relay_cursor (shard, snapshot) SELECT s, '3:3:' FROM generate_series(0, {SHARDS - 1}) AS s",
    "CREATE TABLE relay_member (owner uuid PRIMARY KEY, seen_until timestamptz NOT NULL)",
    """
    CREATE TABLE inbox (
        consumer_group text NOT NULL,
        source text NOT NULL,
        event_id uuid NOT NULL,
        received_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (consumer_group, source, event_id)
    )
    """,
    "CREATE INDEX inbox_age ON inbox USING brin (received_at)",
    """
    CREATE TABLE dead_letters (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        consumer_group text NOT NULL,
        topic text NOT NULL,
        partition int NOT NULL,
        "offset" bigint NOT NULL,
        key text NOT NULL,
        event_id uuid,
        source text,
        type text,
        headers jsonb NOT NULL,
        value bytea,
        state text NOT NULL CHECK (state IN ('HELD', 'WAITING', 'PARKED', 'REDRIVEN', 'DISCARDED')),
        reason text NOT NULL,
        error text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        ended_at timestamptz,
        fingerprint text NOT NULL,
        UNIQUE (consumer_group, topic, partition, "offset", fingerprint)
    )
    """,
    "CREATE INDEX dead_letters_open ON dead_letters (topic, key) WHERE state IN ('HELD', 'WAITING')",
    """
    CREATE TABLE idempotency_keys (
        key text PRIMARY KEY,
        request_hash bytea NOT NULL,
        status int,
        body jsonb,
        headers jsonb,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX idempotency_keys_age ON idempotency_keys USING brin (created_at)",
]


def upgrade_0001(op: Operations) -> None:
    """Create the chassis' tables."""
    for statement in _UPGRADE_0001:
        op.execute(statement)


def downgrade_0001(op: Operations) -> None:
    """Drop the chassis' tables with all that is in them."""
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table}")


def run_env(target_metadata: MetaData) -> None:
    """The body of a service's migrations/env.py: run its migrations over asyncpg.

    The database is MIGRATION_DATABASE_URL (a role that may change tables) or else DATABASE_URL. Replicas that start
    together queue for an advisory lock, so that one migrates and the others find it done.
    """
    url = os.environ.get("MIGRATION_DATABASE_URL") or os.environ.get("DATABASE_URL")
    if not url:
        raise SystemExit(
            "Set MIGRATION_DATABASE_URL (or DATABASE_URL) to postgresql://user:password@host:port/database"
        )
    asyncio.run(_migrate(url, target_metadata))


async def _migrate(url: str, target_metadata: MetaData) -> None:
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        await connection.run_sync(_run, target_metadata)
        await connection.commit()
    await engine.dispose()


def _run(connection: Connection, target_metadata: MetaData) -> None:
    context.configure(
        connection=connection, target_metadata=target_metadata, include_name=_is_the_services_own
    )
    with context.begin_transaction():
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('chassis.migrations'))")
        context.run_migrations()


def _is_the_services_own(name: str | None, kind: str, _: object) -> bool:
    return kind != "table" or name not in TABLES
