"""Customers: a closed loop of orders with every outcome, the same for the same seed.

Whatever a client can meet is retried with the same Idempotency-Key, so that a
service that is killed and comes back costs time and no order. Every request and
answer goes into the run's history, on which the oracle judges.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field

from shop_load.client import PATIENCE, LoadFailed, ShopClient
from shop_load.plans import Plan, Product, Run, Scenario
from shop_observe.history import History
from shop_stack.target import Target


@dataclass(slots=True)
class Placed:
    """What came of a plan, as far as the client knows."""

    plan: Plan
    order_id: str


@dataclass(slots=True)
class Customers:
    """How hard customers press: `concurrency` at a time, at most `rate` orders per second (0 = no limit)."""

    concurrency: int = 16
    rate: float = 0.0
    patience: float = PATIENCE
    on_placed: Callable[[Placed], None] = field(default=lambda _: None)


async def open_shop(shop: ShopClient, products: Sequence[Product]) -> None:
    """List the products, and wait until orders has their prices."""
    await list_products(shop, products)
    await wait_until_orderable(shop, {product.sku for product in products})


async def list_products(shop: ShopClient, products: Sequence[Product]) -> None:
    """List the products in inventory; those that are listed already stay as they are."""
    for product in products:
        body = {
            "sku": product.sku,
            "name": product.name,
            "price": {"amount_minor": product.price_minor, "currency": product.currency},
            "on_hand": product.on_hand,
        }
        url = f"{shop.inventory}/products"
        answer = await shop.post(url, "list-product", body, subject=product.sku, quantity=product.on_hand)
        # 409: an attempt whose answer was lost has listed it.
        if answer.status not in (201, 409):
            raise LoadFailed(answer.refusal)


async def wait_until_orderable(shop: ShopClient, skus: Set[str], seconds: float = PATIENCE) -> None:
    """Return when orders has a price for each SKU. Raises LoadFailed if that takes more than `seconds`."""
    given_up = time.monotonic() + seconds
    while not skus <= await orderable(shop):
        if time.monotonic() > given_up:
            raise LoadFailed(
                "The products are listed in inventory, but orders has not heard of their prices. "
                "Is inventory's relay alive? See `shop logs inventory`."
            )
        await asyncio.sleep(0.1)


async def orderable(shop: ShopClient) -> set[str]:
    """The SKUs that orders has a price for."""
    skus: set[str] = set()
    cursor: str | None = ""
    while cursor is not None:
        place = {"cursor": cursor} if cursor else {}
        page = (await shop.get(f"{shop.orders}/prices", limit="100", **place)).body
        skus.update(price["sku"] for price in page["prices"])
        cursor = page["next_cursor"]
    return skus


async def place(shop: ShopClient, plan: Plan) -> Placed:
    """Carry out one plan and return what the client knows then."""
    url = f"{shop.orders}/orders"
    copies = 2 if plan.scenario is Scenario.POSTED_TWICE else 1
    answers = await asyncio.gather(
        *(
            shop.post(
                url,
                "place-order",
                plan.body,
                key=plan.key,
                customer=plan.customer_id,
                scenario=plan.scenario,
            )
            for _ in range(copies)
        )
    )
    for answer in answers:
        if answer.status != 202:
            raise LoadFailed(answer.refusal)
    order_id = answers[0].body["order_id"]
    if plan.cancel_after is not None:
        await asyncio.sleep(plan.cancel_after)
        cancel = await shop.post(
            f"{url}/{order_id}/cancel", "cancel-order", None, subject=order_id, scenario=plan.scenario
        )
        # 409: the order ended before the customer changed their mind.
        if cancel.status not in (200, 202, 409):
            raise LoadFailed(cancel.refusal)
    return Placed(plan, order_id)


async def serve_customers(target: Target, run: Run, history: History, customers: Customers) -> list[Placed]:
    """List the run's products, then place all of its orders; returns them in the order of the plans."""
    async with ShopClient(target, history, customers.concurrency, customers.patience) as shop:
        await open_shop(shop, run.products)
        return await place_all(shop, run.plans, customers)


async def place_all(shop: ShopClient, plans: Sequence[Plan], customers: Customers) -> list[Placed]:
    waiting = iter(enumerate(plans))
    placed: dict[int, Placed] = {}
    opened = time.monotonic()

    async def customer() -> None:
        for number, plan in waiting:
            if customers.rate:
                await asyncio.sleep(max(0.0, opened + number / customers.rate - time.monotonic()))
            placed[number] = await place(shop, plan)
            customers.on_placed(placed[number])

    tasks = [asyncio.create_task(customer()) for _ in range(min(customers.concurrency, len(plans)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [placed[number] for number in range(len(plans))]
