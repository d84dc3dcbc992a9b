"""A closed loop of orders with every outcome: each customer places the next order after an answer.

The same seed gives the same orders. A request that fails is repeated with the same Idempotency-Key. So a service that
is killed and starts again delays orders, but loses none. Every request and every answer goes into the run's history,
which the oracle uses.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field

from shop_load.client import PATIENCE, LoadFailed, ShopClient
from shop_load.plans import Plan, Product, Run, Scenario
from shop_observe.history import History
from shop_stack.logins import CLERK
from shop_stack.target import Target


@dataclass(slots=True)
class Placed:
    """An order that was placed by a plan."""

    plan: Plan
    order_id: str


@dataclass(slots=True)
class Customers:
    """How many customers order at a time, and how fast.

    `concurrency` is the number of customers, `rate` the most orders per second of all together (0: no limit).
    `patience` is the time in seconds for which a customer repeats a request. `on_placed` is called for each order.
    """

    concurrency: int = 16
    rate: float = 0.0
    patience: float = PATIENCE
    on_placed: Callable[[Placed], None] = field(default=lambda _: None)


async def open_shop(shop: ShopClient, products: Sequence[Product]) -> None:
    """List the products in inventory, and wait until orders has their prices. Raises LoadFailed."""
    await list_products(shop, products)
    await wait_until_orderable(shop, {product.sku for product in products})


async def list_products(shop: ShopClient, products: Sequence[Product]) -> None:
    """List the products in inventory. Products that are listed already stay as they are. Raises LoadFailed."""
    for product in products:
        body = {
            "sku": product.sku,
            "name": product.name,
            "price": {"amount_minor": product.price_minor, "currency": product.currency},
            "on_hand": product.on_hand,
        }
        url = f"{shop.inventory}/products"
        answer = await shop.post(
            url, "list-product", body, who=CLERK, subject=product.sku, quantity=product.on_hand
        )
        # 409: an earlier attempt, whose answer was lost, has listed the product.
        if answer.status not in (201, 409):
            raise LoadFailed(answer.refusal)


async def wait_until_orderable(shop: ShopClient, skus: Set[str]) -> None:
    """Return when orders has a price for each SKU. Raises LoadFailed if that takes longer than the shop's patience."""
    given_up = time.monotonic() + shop.patience
    while not skus <= await orderable(shop):
        if time.monotonic() > given_up:
            raise LoadFailed(
                "The products are listed in inventory, but orders has not received their prices. "
                "Does Kafka answer, and does inventory's relay run? See `shop status` and `shop logs inventory`."
            )
        await asyncio.sleep(0.1)


async def orderable(shop: ShopClient) -> set[str]:
    """The SKUs that orders has a price for."""
    skus: set[str] = set()
    cursor: str | None = ""
    while cursor is not None:
        place = {"cursor": cursor} if cursor else {}
        page = (await shop.get(f"{shop.orders}/prices", who=CLERK, limit="100", **place)).body
        skus.update(price["sku"] for price in page["prices"])
        cursor = page["next_cursor"]
    return skus


async def place(shop: ShopClient, plan: Plan) -> Placed:
    """Place the order of a plan, and cancel it if the plan says so. Raises LoadFailed if a request is refused."""
    url = f"{shop.orders}/orders"
    copies = 2 if plan.scenario is Scenario.POSTED_TWICE else 1
    answers = await asyncio.gather(
        *(
            shop.post(
                url,
                "place-order",
                plan.body,
                who=plan.customer,
                key=plan.key,
                customer=plan.customer,
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
            f"{url}/{order_id}/cancel",
            "cancel-order",
            None,
            who=plan.customer,
            subject=order_id,
            scenario=plan.scenario,
        )
        # 409: the order ended before the cancellation arrived.
        if cancel.status not in (200, 202, 409):
            raise LoadFailed(cancel.refusal)
    return Placed(plan, order_id)


async def serve_customers(target: Target, run: Run, history: History, customers: Customers) -> list[Placed]:
    """List the run's products and place all its orders. Returns them in the order of the plans. Raises LoadFailed."""
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
