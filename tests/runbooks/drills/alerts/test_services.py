"""Alerts of services that are away, that refuse, or that run with a part of their roles or with wrong settings."""

import asyncio
from functools import partial

import pytest

from chassis.backoff import wait_for_event
from shop_stack.rights import Operation
from tests.runbooks.drills.alerts.alarms import PAUSE_SECONDS, Drill
from tests.runbooks.drills.faults import take_rights
from tests.runbooks.drills.shop import Shop, soon


@pytest.mark.alerts(
    "ShopfloorProcessAway", "ShopfloorServiceAway", "ShopfloorOrderStuck", "ShopfloorOrdersMissObjective"
)
async def test_a_service_that_is_killed(drill: Drill, shop: Shop) -> None:
    await shop.kill("payments")
    orders = [await shop.order(deadline=600) for _ in range(3)]
    await drill.fire()
    await drill.follow("service-down", 1)
    for order in orders:
        await shop.ends(order, "CONFIRMED")
    await drill.resolve()


@pytest.mark.alerts("ShopfloorRequestsUnanswered")
async def test_requests_that_nobody_answers(drill: Drill, shop: Shop) -> None:
    await shop.kill("orders")
    await drill.fire()
    await drill.follow("service-down", 1, {"payments": "orders"})
    await shop.ends(await shop.order(), "CONFIRMED")
    await drill.resolve()


@pytest.mark.alerts("ShopfloorRefusesWork")
async def test_orders_that_are_turned_away(drill: Drill, shop: Shop) -> None:
    await shop.restart("orders", ORDERS_MAX_PENDING="1")
    await shop.is_ready()
    await shop.kill("payments")
    accepted = await shop.order(deadline=600)
    await soon(partial(is_turned_away, shop))
    leaving = asyncio.Event()
    ordering = asyncio.create_task(keep_ordering(shop, leaving))
    await drill.fire()
    leaving.set()
    await ordering
    await drill.follow("service-down", 1)
    await shop.ends(accepted, "CONFIRMED")
    await drill.resolve()


async def keep_ordering(shop: Shop, leaving: asyncio.Event) -> None:
    """Place orders until `leaving` is set. They are refused."""
    while not leaving.is_set():
        await is_turned_away(shop)
        await wait_for_event(leaving, PAUSE_SECONDS)


async def is_turned_away(shop: Shop) -> None:
    """Hold that an order is refused. Those before the service has counted the waiting ones are accepted."""
    assert (await shop.place(deadline=600)).status_code == 429


@pytest.mark.alerts("ShopfloorNoRelay", "ShopfloorSeriesAbsent")
async def test_a_service_without_its_worker(drill: Drill, shop: Shop) -> None:
    await shop.restart("inventory", SHOP_ROLE="api")
    await drill.fire()
    # The runbook of missing metrics says: start the missing role.
    await drill.follow("service-down", 1, {"payments": "inventory"})
    await drill.resolve()


@pytest.mark.alerts("ShopfloorInboxForgets")
async def test_an_inbox_that_forgets_too_soon(drill: Drill, shop: Shop) -> None:
    await shop.restart("inventory", INBOX_RETENTION="P1D")
    await drill.fire()
    await drill.follow("inbox-retention", 1)
    await drill.resolve()


@pytest.mark.alerts("ShopfloorRefused")
async def test_a_right_that_was_taken_away(drill: Drill, shop: Shop) -> None:
    await take_rights(shop, "inventory", Operation.READ, ["orders.order.v1"])
    order = await shop.order(deadline=600)
    await drill.fire()
    await drill.follow("rights-withdrawn", 1)
    await shop.ends(order, "CONFIRMED")
    await drill.resolve()
