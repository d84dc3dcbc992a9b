"""Alerts of messages that wait or fail."""

import asyncio
from typing import Any

import pytest

from shop_load.catalogue import ensure_catalogue
from shop_load.closed_loop import Customers, serve_customers
from shop_load.plans import Scenario, plan_run
from shop_observe.history import History
from tests.runbooks.drills.alerts.alarms import Drill
from tests.runbooks.drills.faults import no_new_rows, topic_setting
from tests.runbooks.drills.shop import Shop, soon

ORDERS = 150
"""Of six events each: more than the 500 messages that may wait at the scale for practice."""
KEYS = 24
"""More than BREAKER_KEYS."""
LOCK = ("BEGIN", "LOCK TABLE order_facts IN EXCLUSIVE MODE", "SELECT pg_sleep(600)")
"""These statements lock the table: no other connection writes to it until this one is closed."""


@pytest.mark.alerts("ShopfloorFallsBehind", "ShopfloorManyMessagesWait", "ShopfloorStandsStill")
async def test_a_service_that_reads_and_cannot_write(drill: Drill, shop: Shop) -> None:
    await ensure_catalogue(shop.target)
    await shop.stop("analytics")
    run = plan_run("alerts", ORDERS, seed=1, only=Scenario.CONFIRMED)
    with History(shop.target.state / "history", run.name) as history:
        await serve_customers(shop.target, run, history, Customers(8))
    locked = asyncio.create_task(shop.sql("analytics", *LOCK))
    await shop.start("analytics")
    await drill.fire()
    locked.cancel()
    await asyncio.wait([locked])
    await drill.resolve()


@pytest.mark.alerts("ShopfloorDeadLetters")
async def test_an_event_that_a_service_cannot_handle(drill: Drill, shop: Shop) -> None:
    async with no_new_rows(shop, "payments", "payments"):
        order = await shop.order(deadline=600)
        await drill.fire()
    await drill.follow("dead-letters", 1, {"ORDER": order})
    await shop.ends(order, "CONFIRMED")
    await drill.resolve()


@pytest.mark.alerts("ShopfloorPartitionWaits", "ShopfloorBreakerOpen")
async def test_events_that_all_fail_in_the_same_way(drill: Drill, shop: Shop) -> None:
    await shop.stop("inventory")
    orders = await asyncio.gather(*(shop.order(deadline=600) for _ in range(KEYS)))
    async with no_new_rows(shop, "inventory", "reservations"):
        await shop.start("inventory")
        await drill.fire()
    await drill.follow("partition-waits", 1)
    for order in orders:
        await shop.ends(order, "CONFIRMED")
    await drill.resolve()


@pytest.mark.alerts("ShopfloorEventRefused")
async def test_an_event_that_kafka_refuses(drill: Drill, shop: Shop) -> None:
    async with topic_setting(shop, "inventory.reservation.v1", "max.message.bytes", "100"):
        order = await shop.order(deadline=600)
        row = await refused_row(shop)
        await drill.fire()
    await drill.follow("events-not-sent", 1, {"--id 7": f"--id {row['id']}"})
    await shop.ends(order, "CONFIRMED")
    await drill.resolve()


async def refused_row(shop: Shop) -> dict[str, Any]:
    """Wait for a row of inventory that Kafka refuses."""

    async def stands_aside() -> dict[str, Any]:
        rows: list[dict[str, Any]] = (await shop.manage("inventory", "GET", "/admin/outbox/set-aside")).json()
        refused = [row for row in rows if row["state"] == "REFUSED"]
        assert refused
        return refused[0]

    return await soon(stands_aside, 40)
