"""The migrations and the tables that the code knows say the same, and facts that are there are counted."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from analytics.db import metadata
from testkit import differences

PROJECT = Path(__file__).resolve().parents[2]
FACTS = """
    INSERT INTO order_facts (generation, order_id, order_state, placed_at, confirmed_at, total_minor, currency, lines)
    SELECT 1, gen_random_uuid(), CASE WHEN n > 3 THEN 'CONFIRMED' ELSE 'PENDING' END, now(),
           CASE WHEN n > 3 THEN now() + n * interval '1 s' END, 500, 'EUR',
           '[{"sku": "mug", "quantity": 5, "unit_price_minor": 100}]'
    FROM generate_series(1, 10) AS n
"""


async def migrate(owner_url: str, *command: str) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "alembic",
        *command,
        cwd=PROJECT,
        env={**os.environ, "MIGRATION_DATABASE_URL": owner_url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await child.communicate()
    assert child.returncode == 0, output.decode()


async def test_migrating_gives_exactly_the_tables_that_the_code_knows(
    database: Callable[[str], Awaitable[Any]],
) -> None:
    assert await differences((await database("analytics")).owner_url, metadata) == []


async def test_going_back_a_release_and_forth_again_counts_the_facts_that_are_there(
    fresh: Any, owner: Any
) -> None:
    await owner.execute("UPDATE projection_state SET state = 'CANCELLED'")
    await migrate(fresh.owner_url, "downgrade", "0004")
    assert await owner.fetchval("SELECT state FROM projection_state") == "REMOVED"
    await owner.execute(FACTS)
    await migrate(fresh.owner_url, "upgrade", "head")
    assert await differences(fresh.owner_url, metadata) == []
    assert await totals(owner) == {("PENDING", 3, 1500), ("CONFIRMED", 7, 3500)}
    assert tuple(await owner.fetchrow("SELECT sku, quantity, revenue_minor FROM product_totals")) == (
        "mug",
        35,
        3500,
    )
    assert await owner.fetchval("SELECT sum(orders) FROM wait_totals WHERE bits = 24") == 7
    await owner.execute("UPDATE order_facts SET order_state = 'CANCELLED' WHERE order_state = 'PENDING'")
    assert await totals(owner) == {("PENDING", 0, 0), ("CONFIRMED", 7, 3500), ("CANCELLED", 3, 1500)}


async def totals(connection: Any) -> set[tuple[str, int, int]]:
    """(state, orders, total in minor units), summed over all slots."""
    rows = await connection.fetch(
        "SELECT order_state, sum(orders), sum(total_minor) FROM order_totals GROUP BY order_state"
    )
    return {(row[0], int(row[1]), int(row[2])) for row in rows}
