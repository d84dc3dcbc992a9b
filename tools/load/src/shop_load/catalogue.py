"""The catalogue of a fresh shop: the five products that the examples in the READMEs order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shop_load.client import LoadFailed, ShopClient
from shop_load.closed_loop import list_products, wait_until_orderable
from shop_load.plans import Product
from shop_observe.history import History
from shop_stack.logins import CLERK
from shop_stack.target import Target

PATIENCE = 20.0
"""The longest time, in seconds, until orders has the price of a product that inventory has listed."""

CATALOGUE = (
    Product("mug-blue", "Mug, blue", 1_250, 1_000),
    Product("tea-assam", "Assam tea, 250 g", 890, 1_000),
    Product("chair-oak", "Chair, oak", 18_900, 3),
    Product("print-harbour", "Art print, harbour", 2_400, 1_000, "USD"),
    Product("map-atlantic", "Map of the Atlantic", 3_500, 1_000, "USD"),
)
"""Two currencies, because an order has only one. One product has little stock, so that an order can fail."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A product as inventory has it now."""

    sku: str
    name: str
    amount_minor: int
    """The price of one piece, in minor units."""
    currency: str
    available: int
    """Pieces that the next order can have."""

    @classmethod
    def of(cls, body: Any) -> Offer:
        """The offer in an answer to `GET /products/{sku}`."""
        price = body["price"]
        return cls(body["sku"], body["name"], price["amount_minor"], price["currency"], body["available"])


async def ensure_catalogue(target: Target) -> list[Offer]:
    """List the products of CATALOGUE that inventory lacks, and wait until orders has a price for each.

    A product that inventory has already keeps its price and its stock. Returns the products in the order of
    CATALOGUE. The requests are written into a history of their own, for the oracle.

    Raises LoadFailed: a service does not answer, or the prices do not arrive.
    """
    run = f"catalogue-{time.time_ns() // 1_000_000:x}"
    with History(target.state / "history", run) as history:
        async with ShopClient(target, history, patience=PATIENCE) as shop:
            listed = {offer.sku for offer in await offers(shop, CATALOGUE)}
            await list_products(shop, [product for product in CATALOGUE if product.sku not in listed])
            await wait_until_orderable(shop, {product.sku for product in CATALOGUE})
            return await offers(shop, CATALOGUE)


async def offers(shop: ShopClient, products: Sequence[Product]) -> list[Offer]:
    """The products that inventory has, of those given. Raises LoadFailed if inventory refuses a request."""
    answers = await asyncio.gather(
        *(shop.get(f"{shop.inventory}/products/{product.sku}", who=CLERK) for product in products)
    )
    for answer in answers:
        if answer.status not in (200, 404):
            raise LoadFailed(answer.refusal)
    return [Offer.of(answer.body) for answer in answers if answer.status == 200]
