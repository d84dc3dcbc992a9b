"""The migrations and the tables that the code knows say the same."""

from collections.abc import Awaitable, Callable
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from analytics.db import metadata
from chassis.database import Database

OWN = set(metadata.tables)


async def test_migrating_gives_exactly_the_tables_that_the_code_knows(
    database: Callable[[str], Awaitable[Any]],
) -> None:
    migrated = Database((await database("analytics")).owner_url)
    async with migrated.engine.connect() as connection:
        differences = await connection.run_sync(_differences)
    await migrated.close()
    assert differences == []


def _differences(connection: Connection) -> list[Any]:
    def own(name: str | None, kind: str, _: object) -> bool:
        return kind != "table" or name in OWN

    return list(
        compare_metadata(MigrationContext.configure(connection, opts={"include_name": own}), metadata)
    )
