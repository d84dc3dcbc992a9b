"""What would end a drill, an order that is lost for one: planted on the cluster, seen, and taken back."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from shop_load.plans import Scenario
from tests.kubernetes.drills import checks
from tests.kubernetes.drills.conftest import Floor, is_refused


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


@asynccontextmanager
async def without_budget(floor: Floor, deployment: str) -> AsyncIterator[None]:
    """Until the block ends, nothing keeps an eviction from the last pod of a Deployment."""
    budget = await floor.get("poddisruptionbudget", deployment)
    kept = {"name": deployment, "labels": budget["metadata"]["labels"]}
    await floor.kubectl("delete", "poddisruptionbudget", deployment)
    try:
        yield
    finally:
        again = {name: budget[name] for name in ("apiVersion", "kind", "spec")} | {"metadata": kept}
        await floor.kubectl("apply", "--filename=-", stdin=json.dumps(again))


async def test_a_drain_that_no_budget_holds_would_be_seen(floor: Floor) -> None:
    nodes = (await floor.get("nodes"))["items"]
    (node, *_) = [pod["spec"]["nodeName"] for pod in await floor.pods_of("orders", "api")]
    async with without_budget(floor, "orders-api"):
        try:
            held = await floor.drain(node)
            left = await floor.get("deployment", "orders-api")
        finally:
            await floor.kubectl("uncordon", node)
    await floor.ready()
    assert len(nodes) > 1 or "nobody is left of orders-api" in checks.drain_faults(
        left, held=held, nodes=len(nodes)
    )


async def test_a_password_that_lets_in_is_told_from_one_that_does_not(floor: Floor) -> None:
    password = await floor.password_of("orders")
    assert not await is_refused(floor.target, "orders", password)
    assert await is_refused(floor.target, "orders", f"not-{password}")
