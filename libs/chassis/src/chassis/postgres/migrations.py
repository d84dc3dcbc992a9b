"""The chassis' own tables, and Alembic's environment for a service.

A release of the chassis that changes its tables adds `sql/migrations_<number>.sql` and
`sql/migrations_<number>_down.sql`. A service runs them with `execute`, in migrations of its own.
"""

import asyncio
import os

import structlog
from alembic import context, op
from sqlalchemy import Connection, MetaData
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.postgres.statements import Statements

log = structlog.get_logger()

_statements = Statements(__package__)

TABLES = (
    "outbox",
    "outbox_set_aside",
    "relay_cursor",
    "relay_member",
    "inbox",
    "dead_letters",
    "idempotency_keys",
)


def execute(migration: str) -> None:
    """Run the statements of `sql/migrations_<migration>.sql`. A semicolon at the end of a line ends a statement.

    `migration` is the number of a migration of the chassis, such as `0002`, or `0002_down` to undo it.
    """
    for statement in _statements.raw(f"migrations_{migration}").split(";\n"):
        op.execute(statement)


def run_env(target_metadata: MetaData) -> None:
    """The body of a service's migrations/env.py: run its migrations over asyncpg.

    The database is MIGRATION_DATABASE_URL (a role that may change tables) or else DATABASE_URL. Replicas that start
    together wait for an advisory lock, so that one migrates and the others have nothing to do.

    If the tables are later than this release, `alembic upgrade head` changes nothing. The previous release runs on them
    (docs/decisions/0043). An earlier one may not: a migration may remove what only earlier releases need.

    `alembic upgrade head --sql` writes the statements and needs no database.
    """
    if context.is_offline_mode():
        _write_sql(target_metadata)
        return
    url = os.environ.get("MIGRATION_DATABASE_URL") or os.environ.get("DATABASE_URL")
    if not url:
        raise SystemExit("Set MIGRATION_DATABASE_URL to postgresql://user:password@host:port/database")
    asyncio.run(_migrate(url, target_metadata))


async def _migrate(url: str, target_metadata: MetaData) -> None:
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        await connection.run_sync(_run, target_metadata)
    await engine.dispose()


def _run(connection: Connection, target_metadata: MetaData) -> None:
    context.configure(connection=connection, target_metadata=target_metadata, include_name=_is_own)
    with context.begin_transaction():
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('chassis.migrations'))")
        later = _later_migrations()
        if later and _is_upgrade_to_head():
            head = context.script.get_current_head()
            log.warning("migrations.schema_is_later", schema=later, release=head)
        else:
            context.run_migrations()


def _write_sql(target_metadata: MetaData) -> None:
    context.configure(
        dialect_name="postgresql",
        # Another style of parameters would double each percent sign.
        dialect_opts={"paramstyle": "named"},
        target_metadata=target_metadata,
        literal_binds=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _later_migrations() -> list[str]:
    """The migrations of the database that this release does not know."""
    known = {script.revision for script in context.script.walk_revisions()}
    return [found for found in context.get_context().get_current_heads() if found not in known]


def _is_upgrade_to_head() -> bool:
    """Whether the command has the last migration of this release as its destination."""
    try:
        return context.get_revision_argument() == context.script.get_current_head()
    except KeyError:  # a command without a destination, such as `alembic current`
        return False


def _is_own(name: str | None, kind: str, _: object) -> bool:
    """Whether Alembic compares a table with the service's models. The chassis' own tables are left out."""
    return kind != "table" or name not in TABLES
