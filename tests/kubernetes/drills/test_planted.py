"""What would end a drill: an order that is lost, a piece that is sold twice. Planted on the cluster, and taken back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from shop.load import Scenario
from tests.kubernetes.drills.conftest import Floor


@asynccontextmanager
async def planted(floor: Floor, service: str, *, do: str, undo: str) -> AsyncIterator[None]:
    """The statements of `do` take effect in a service's database, those of `undo` when the block ends."""
    connection = await asyncpg.connect(floor.target.database_urls[service])
    try:
        await connection.execute(do)
        try:
            yield
        finally:
            await connection.execute(undo)
    finally:
        await connection.close()


async def test_an_order_that_is_lost_would_be_seen(floor: Floor) -> None:
    async with floor.customers(at_least=6, only=Scenario.CONFIRMED) as sales:
        pass
    await floor.judge()
    lost = sales.placed[0].order_id
    async with planted(
        floor,
        "orders",
        do=f"CREATE TABLE kept AS SELECT * FROM orders WHERE id = '{lost}';"
        f"DELETE FROM orders WHERE id = '{lost}'",
        undo="INSERT INTO orders SELECT * FROM kept; DROP TABLE kept",
    ):
        with pytest.raises(AssertionError, match=lost):
            await floor.judge()
    await floor.judge()


async def test_a_piece_that_is_sold_twice_would_be_seen(floor: Floor) -> None:
    async with floor.customers(at_least=6, only=Scenario.CONFIRMED) as sales:
        pass
    await floor.judge()
    sku = sales.placed[0].plan.lines[0][0]
    async with planted(
        floor,
        "inventory",
        do=f"UPDATE products SET on_hand = on_hand - 1, sold = sold + 1 WHERE sku = '{sku}'",
        undo=f"UPDATE products SET on_hand = on_hand + 1, sold = sold - 1 WHERE sku = '{sku}'",
    ):
        with pytest.raises(AssertionError, match=f"sku {sku}"):
            await floor.judge()
    await floor.judge()
