"""Customers who order while a drill breaks a part."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import httpx

from chassis.backoff import wait_for_event
from shop_stack.logins import Login
from tests.runbooks.drills.asking import http_client
from tests.runbooks.drills.shop import SKU, Shop, soon

PAUSE_SECONDS = 0.25
"""The time between two orders."""


@dataclass
class Customers:
    """The orders that were accepted, and the requests that failed and were repeated."""

    shop: Shop
    orders: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    leaving: asyncio.Event = field(default_factory=asyncio.Event)

    async def come(self) -> None:
        """Place orders, one after the other, each for a customer of its own, until `leaving` is set."""
        while not self.leaving.is_set():
            await self._order(str(uuid4()))
            await wait_for_event(self.leaving, PAUSE_SECONDS)

    async def place(self, number: int) -> None:
        """Return when this number of orders more was accepted."""
        wanted = len(self.orders) + number

        async def are_placed() -> None:
            assert len(self.orders) >= wanted, self.failed[-3:]

        await soon(are_placed, 60)

    async def all_end_confirmed(self) -> None:
        """Return when each accepted order is CONFIRMED."""
        for order in self.orders:
            await self.shop.ends(order, "CONFIRMED", seconds=120)

    async def _order(self, key: str) -> None:
        """Repeat a request with the same key until it is accepted, as a customer does."""
        body: dict[str, object] = {
            "lines": [{"sku": SKU, "quantity": 1}],
            "currency": "EUR",
            "payment_token": "tok_ok",
            "deadline_seconds": 600,
        }
        login = Login(self.shop.target.issuer, f"c-{key}")
        async with http_client(login) as http:
            while True:
                outcome = await self._ask(http, key, body)
                if not outcome:
                    return
                self.failed.append(outcome)
                await wait_for_event(self.leaving, PAUSE_SECONDS)

    async def _ask(self, http: httpx.AsyncClient, key: str, body: dict[str, object]) -> str:
        """Send one request. Returns an empty text if it was accepted, else the reason."""
        url = f"{self.shop.stack.url('orders')}/orders"
        try:
            answer = await http.post(url, json=body, headers={"Idempotency-Key": key})
        except httpx.TransportError as error:
            return repr(error)
        if answer.status_code != 202:
            return f"{answer.status_code} {answer.text}"
        self.orders.append(str(answer.json()["order_id"]))
        return ""


@asynccontextmanager
async def customers_order(shop: Shop) -> AsyncIterator[Customers]:
    """While the block runs, customers order. At its end the last order was accepted."""
    customers = Customers(shop)
    coming = asyncio.create_task(customers.come())
    try:
        yield customers
    finally:
        customers.leaving.set()
        await asyncio.wait_for(coming, 60)
