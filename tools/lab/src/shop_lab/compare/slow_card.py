"""Orders beside a slow card: one customer's charges take seconds, and all others pay with a quick card.

If a lock on the stock is held during a slow call, the others wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count

from shop_lab import trial
from shop_lab.compare.window import come_to_rest
from shop_lab.samples import percentiles
from shop_lab.testbed import PRODUCTS, Testbed
from shop_load.client import ShopClient
from shop_load.closed_loop import place
from shop_load.open_loop import CUSTOMERS
from shop_load.plans import Plan, Scenario
from shop_observe.history import History

RATE = 20.0
"""Orders per second of the other customers."""
PAID_SLOWLY = Scenario.CANCELLED
"""A scenario with a slow card. The processor takes PROCESSOR_SLOW_SECONDS (2) to answer. No customer cancels."""

_numbers = count(1)


async def beside(testbed: Testbed, seconds: float) -> dict[str, float]:
    """Let orders arrive for some seconds beside a slow card.

    Returns how many of them ended in a second while they arrived, and the median time of an order. Raises UserError if
    the shop does not come to rest.
    """
    began = trial.first_id()
    async with slow_orders(testbed):
        sent = await trial.send(testbed, int(RATE * seconds), RATE)
    await come_to_rest(testbed, "slow charges")
    confirmed = await trial.confirmations(testbed, began)
    first, last = min(sent.orders.values()), max(sent.orders.values())
    in_time = [order_id for order_id in sent.orders if confirmed[order_id] <= last]
    waits = percentiles([sorted(confirmed[order_id] - due for order_id, due in sent.orders.items())])
    return {"slow_card_per_second": len(in_time) / (last - first), "slow_card_p50_ms": waits["p50"]}


@asynccontextmanager
async def slow_orders(testbed: Testbed) -> AsyncIterator[None]:
    """One customer orders with a slow card, again and again, while the block runs."""
    run = next(_numbers)
    with History(testbed.target.state / "history", f"slow-card-{testbed.stack.ports.base}-{run}") as history:
        async with ShopClient(testbed.target, history) as shop:
            ordering = asyncio.create_task(order_slowly(shop, f"slow-{trial.first_id()}"))
            try:
                yield
            finally:
                ordering.cancel()
                with suppress(asyncio.CancelledError):
                    await ordering


async def order_slowly(shop: ShopClient, run: str) -> None:
    """Order with a slow card until cancelled. Raises LoadFailed if an order is refused."""
    for number in count(1):
        await place(shop, Plan(PAID_SLOWLY, f"{run}-{number}", CUSTOMERS[0], ((PRODUCTS[0].sku, 1),)))
