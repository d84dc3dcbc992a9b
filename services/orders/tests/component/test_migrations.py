"""The migrations and the tables that the code knows say the same."""

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import text

from chassis.outbox import Database
from orders.orchestrator.table import metadata
from testkit import differences


async def test_migrating_gives_exactly_the_tables_that_the_code_knows(
    database: Callable[[str], Awaitable[Any]],
) -> None:
    assert await differences((await database("orders")).owner_url, metadata) == []


async def test_the_table_guards_what_an_order_can_be(database: Callable[[str], Awaitable[Any]]) -> None:
    migrated = Database((await database("orders")).owner_url)
    checks = text("SELECT conname FROM pg_constraint WHERE conrelid = 'orders'::regclass AND contype = 'c'")
    async with migrated.reading() as connection:
        guards = {row.conname for row in await connection.rows(checks)}
    await migrated.close()
    assert guards == {"orders_state", "orders_ended", "orders_reason", "orders_total"}
