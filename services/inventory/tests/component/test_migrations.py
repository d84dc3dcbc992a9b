"""The migrations make the tables that db.py speaks of."""

from typing import Any

from sqlalchemy import text

from chassis.outbox import Database
from inventory.db import metadata
from testkit import differences


async def test_the_migrated_tables_are_those_of_the_queries(database: Any) -> None:
    assert await differences((await database("inventory")).owner_url, metadata) == []


async def test_a_table_that_lacks_a_column_is_noticed(database: Any) -> None:
    url = (await database("inventory")).owner_url
    owner = Database(url)
    async with owner.transaction() as tx:
        await tx.connection.execute(text("ALTER TABLE products DROP COLUMN name"))
    await owner.close()
    assert len(await differences(url, metadata)) == 1
