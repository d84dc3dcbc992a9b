"""A fresh database per test, and short words for what the tests do with it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from chassis.events import Money, PublishedEvent
from chassis.outbox import Database
from inventory import handlers
from inventory.db import lock_reservations, product, reservation
from inventory.domain import Product, Reservation
from inventory.events import OrderCancelled, OrderConfirmed, OrderedLine, OrderPlaced
from inventory.main import create_service
from inventory.settings import Settings
from testkit import client, published, received

PLACED_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
async def url(database: Callable[[str], Awaitable[Any]]) -> str:
    """A migrated inventory database, as the service's runtime role sees it."""
    made = await database("inventory")
    return str(made.url)


class Floor:
    """Inventory's handlers on a real database, each call in a transaction of its own."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def stock(self, **stock: int) -> None:
        """Products by SKU, each with that many pieces."""
        for sku, on_hand in stock.items():
            async with self.db.transaction() as tx:
                await handlers.list_product(
                    tx, sku=sku, name=sku, price_minor=100, currency="EUR", on_hand=on_hand
                )

    async def reserve(self, *orders: tuple[UUID, dict[str, int]]) -> list[PublishedEvent]:
        """OrderPlaced for each (order id, pieces by SKU), in one batch."""
        async with self.db.transaction() as tx:
            await handlers.reserve_stock(tx, [received(self.placed(*order)) for order in orders])
            return await published(tx)

    @staticmethod
    def placed(order_id: UUID, pieces: dict[str, int]) -> OrderPlaced:
        """An order as inventory reads it."""
        lines = tuple(OrderedLine(sku=sku, quantity=quantity) for sku, quantity in pieces.items())
        return OrderPlaced(
            order_id=order_id,
            customer_id="customer-ada",
            total=Money(amount_minor=100, currency="EUR"),
            payment_token=SecretStr("tok_ok"),
            placed_at=PLACED_AT,
            deadline_at=PLACED_AT + timedelta(seconds=60),
            lines=lines,
        )

    async def commit(self, *order_ids: UUID) -> list[PublishedEvent]:
        """OrderConfirmed for each order, in one batch."""
        async with self.db.transaction() as tx:
            await handlers.commit_stock(tx, [received(OrderConfirmed(order_id=id)) for id in order_ids])
            return await published(tx)

    async def release(self, *order_ids: UUID) -> list[PublishedEvent]:
        """OrderCancelled for each order, in one batch."""
        async with self.db.transaction() as tx:
            events = [received(OrderCancelled(order_id=id)) for id in order_ids]
            await handlers.release_stock_of_cancelled(tx, events)
            return await published(tx)

    async def replenish(self, sku: str, quantity: int) -> None:
        """More pieces of one SKU."""
        async with self.db.transaction() as tx:
            await handlers.replenish_product(tx, sku=sku, quantity=quantity)

    async def product(self, sku: str) -> Product:
        """The product as it is stored."""
        async with self.db.reading() as connection:
            found = await product(connection, sku)
        assert found is not None
        return found

    async def counts(self, sku: str) -> tuple[int, int, int]:
        """(on hand, reserved, sold) of a SKU."""
        found = await self.product(sku)
        return found.on_hand, found.reserved, found.sold

    async def held(self, order_id: UUID) -> Reservation:
        """The order's reservation as it is stored."""
        async with self.db.reading() as connection:
            found = await reservation(connection, order_id)
        assert found is not None
        return found[0]

    async def holdings(self, order_ids: Sequence[UUID]) -> Collection[Reservation]:
        """The reservations of those of the orders that have one."""
        async with self.db.transaction() as tx:
            return (await lock_reservations(tx.connection, order_ids)).values()


@pytest.fixture
async def floor(url: str) -> AsyncIterator[Floor]:
    """The handlers on a fresh database."""
    db = Database(url)
    yield Floor(db)
    await db.close()


@pytest.fixture
async def http(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """The API of an inventory process that answers HTTP only, on a fresh database."""
    settings = Settings(database_url=url, kafka_bootstrap_servers="127.0.0.1:1", role="api")
    async with client(create_service(settings)) as asking:
        yield asking
