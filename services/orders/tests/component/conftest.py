"""What the component tests share: a fresh database, and a way to put orders into it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from chassis.events import Money, PublishedEvent
from chassis.outbox import Database
from orders import db as tables
from orders import handlers
from orders.domain import Item
from orders.events import PaymentCaptured, PaymentDeclined, ProductListed, Shortage, StockRejected
from orders.main import create_service
from orders.settings import Settings
from testkit import client, published, received

TOTAL = Money(amount_minor=2598, currency="EUR")
"""Of an order of two mugs."""
MOST_PENDING = 1_000
"""More PENDING orders of a customer than a test has, unless it says otherwise."""


@dataclass
class Floor:
    """The orders service without its edges: each method is one committed transaction."""

    database: Database

    async def list_products(self, prices: dict[str, int], *, version: int = 1, currency: str = "EUR") -> None:
        """Products arrive from inventory: {sku: minor units}."""
        products = [
            ProductListed(
                sku=sku,
                version=version,
                name=sku.title(),
                price=Money(amount_minor=amount, currency=currency),
            )
            for sku, amount in prices.items()
        ]
        async with self.database.transaction() as tx:
            await handlers.add_listed_product(tx, [received(product) for product in products])

    async def place(
        self, *, seconds: float = 60, customer_id: str = "c-ada", most_pending: int = MOST_PENDING
    ) -> UUID:
        """Place an order of two mugs that must end within `seconds`."""
        order = handlers.PlaceOrder(
            customer_id, [Item("mug", 2)], "EUR", "tok_ok", timedelta(seconds=seconds), most_pending
        )
        async with self.database.transaction() as tx:
            return (await handlers.place_order(tx, order)).order_id

    async def confirm(self, *order_ids: UUID, amount: Money = TOTAL) -> list[PublishedEvent]:
        """Payments has captured; returns what orders publishes."""
        async with self.database.transaction() as tx:
            events = [
                received(PaymentCaptured(order_id=each, customer_id="c-ada", amount=amount))
                for each in order_ids
            ]
            await handlers.confirm_order(tx, events)
            return list(await published(tx))

    async def reject_unpaid(self, *order_ids: UUID) -> list[PublishedEvent]:
        """Payments has declined; returns what orders publishes."""
        async with self.database.transaction() as tx:
            await handlers.reject_unpaid_order(
                tx,
                [
                    received(PaymentDeclined(order_id=id, customer_id="c-ada", amount=TOTAL))
                    for id in order_ids
                ],
            )
            return list(await published(tx))

    async def reject_unstocked(
        self, *order_ids: UUID, skus: tuple[str, ...] = ("mug",)
    ) -> list[PublishedEvent]:
        """Inventory is short of some products; returns what orders publishes."""
        shortages = tuple(Shortage(sku=sku) for sku in skus)
        async with self.database.transaction() as tx:
            await handlers.reject_unstocked_order(
                tx, [received(StockRejected(order_id=id, shortages=shortages)) for id in order_ids]
            )
            return list(await published(tx))

    async def cancel(self, order_id: UUID, *, customer_id: str = "c-ada") -> list[PublishedEvent]:
        """The customer cancels; returns what orders publishes."""
        async with self.database.transaction() as tx:
            await handlers.cancel_order(tx, order_id, customer_id)
            return list(await published(tx))

    async def sweep(self) -> list[PublishedEvent]:
        """The deadline sweeper runs once; returns what orders publishes."""
        async with self.database.transaction() as tx:
            await handlers.cancel_overdue_orders(tx)
            return list(await published(tx))

    async def row(self, order_id: UUID) -> Any:
        """The order's row as it stands."""
        async with self.database.reading() as connection:
            return await tables.order_of(connection, order_id)

    async def outbox(self, order_id: UUID) -> list[Any]:
        """What was committed to the outbox for an order, in the order of publishing."""
        async with self.database.reading() as connection:
            return await connection.rows(
                text("SELECT * FROM outbox WHERE key = :key ORDER BY id"), {"key": str(order_id)}
            )


@pytest.fixture
async def url(database: Callable[[str], Awaitable[Any]]) -> str:
    """A fresh, migrated database, as the service's runtime role sees it."""
    return str((await database("orders")).url)


@pytest.fixture
async def empty_floor(url: str) -> AsyncIterator[Floor]:
    """A floor to which no price has come yet."""
    floor = Floor(Database(url))
    yield floor
    await floor.database.close()


@pytest.fixture
async def floor(empty_floor: Floor) -> Floor:
    """A floor that sells mugs and tea."""
    await empty_floor.list_products({"mug": 1299, "tea": 650})
    return empty_floor


@pytest.fixture
async def http(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """The service's API, in a process that answers HTTP only."""
    settings = Settings(database_url=url, kafka_bootstrap_servers="127.0.0.1:1", role="api")
    async with client(create_service(settings), "c-ada", ["customer"]) as asking:
        yield asking
