"""The statements that the code under test sends, and the differences between its migrations and its tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import ClauseElement, MetaData
from sqlalchemy import Connection as SyncConnection
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.postgres import connection


@contextmanager
def statements() -> Iterator[list[str]]:
    """The SQL statements that are sent inside the block; BEGIN and COMMIT are not among them."""
    sent: list[str] = []
    compiled = connection.compiled

    def note(statement: ClauseElement, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        query, arguments = compiled(statement, values)
        sent.append(query)
        return query, arguments

    with mock.patch.object(connection, "compiled", note):
        yield sent


async def differences(url: str, tables: MetaData) -> list[Any]:
    """In what a migrated database and `tables` differ, tables that are not among them left out."""

    def compare(database: SyncConnection) -> list[Any]:
        def among(name: str | None, kind: str, _: object) -> bool:
            return kind != "table" or name in tables.tables

        context = MigrationContext.configure(database, opts={"include_name": among, "compare_type": True})
        return list(compare_metadata(context, tables))

    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as database:
        found = await database.run_sync(compare)
    await engine.dispose()
    return found
