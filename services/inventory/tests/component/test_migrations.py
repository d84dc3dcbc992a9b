"""The migrations make the tables that db.py speaks of."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from chassis.database import Database
from inventory.db import metadata


@pytest.fixture
async def owned(database: Any) -> AsyncIterator[Database]:
    """A fresh, migrated database, as the role that may change its tables sees it."""
    db = Database((await database("inventory")).owner_url)
    yield db
    await db.close()


def _differences(connection: Connection) -> list[object]:
    def own(name: str | None, kind: str, _: object) -> bool:
        return kind != "table" or name in metadata.tables

    context = MigrationContext.configure(connection, opts={"include_name": own, "compare_type": True})
    return list(compare_metadata(context, metadata))


async def test_the_migrated_tables_are_those_of_the_queries(owned: Database) -> None:
    async with owned.reading() as connection:
        assert await connection.run_sync(_differences) == []


async def test_a_table_that_lacks_a_column_is_noticed(owned: Database) -> None:
    async with owned.transaction() as tx:
        await tx.connection.execute(text("ALTER TABLE products DROP COLUMN name"))
        assert len(await tx.connection.run_sync(_differences)) == 1
