"""What the component tests share: sagas as events, and the service without its edges."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from analytics.jobs import MODELS
from analytics.main import create_service
from analytics.subscriptions import SUBSCRIPTIONS
from chassis.events import ConsumedEvent, new_id
from chassis.outbox import Database, Transaction
from chassis.service import Service
from testkit import client, management_client, received

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Story:
    """Events as they would be published; each is (type, key, data)."""

    start: datetime = START

    def order(self, ending: str, *, id: UUID | None = None, wait: float = 3, **placed: Any) -> list[Any]:
        """All events of one order that ends as `ending`; `wait` is the seconds from placed to confirmed."""
        order_id = str(id or new_id())
        price = {"amount_minor": placed.get("price", 1299), "currency": placed.get("currency", "EUR")}
        quantity = placed.get("quantity", 2)
        total = {**price, "amount_minor": quantity * price["amount_minor"]}
        lines = [{"sku": placed.get("sku", "mug"), "quantity": quantity, "unit_price": price}]
        common = {"order_id": order_id, "customer_id": "c", "total": total, "amount": total, "lines": lines}
        common |= {"payment_id": str(new_id()), "refund_id": str(new_id()), "notification_id": str(new_id())}
        common |= {"payment_token": "tok", "shortages": [], "reason": "r", "kind": ending, "channel": "log"}

        def told(type_: str, second: float, version: int) -> Any:
            verb = type_.rpartition("-")[2]
            moments = {f"{verb}_at": self.at(second), "deadline_at": self.at(60)}
            return f"{type_}.v1", order_id, common | moments | {"version": version}

        steps = {
            "confirmed": [
                told("inventory.stock-reserved", 1, 1),
                told("payments.payment-captured", 2, 2),
                told("orders.order-confirmed", wait, 2),
                told("inventory.stock-committed", wait, 2),
            ],
            "rejected": [told("inventory.stock-rejected", 1, 1), told("orders.order-rejected", 2, 2)],
            "declined": [
                told("inventory.stock-reserved", 1, 1),
                told("payments.payment-declined", 2, 2),
                told("orders.order-rejected", 3, 2),
                told("inventory.stock-released", 4, 2),
            ],
            "cancelled": [
                told("inventory.stock-reserved", 1, 1),
                told("payments.payment-captured", 2, 2),
                told("orders.order-cancelled", 3, 2),
                told("inventory.stock-released", 4, 2),
                told("payments.payment-refunded", 5, 3),
            ],
            "pending": [],
        }[ending]
        end = [told("notifications.notification-sent", wait + 3, 1)] if steps else []
        return [told("orders.order-placed", 0, 1), *steps, *end]

    def product(self, sku: str, *names: str) -> list[Any]:
        """A product that is listed, then priced under each further name."""
        price = {"amount_minor": 1299, "currency": "EUR"}
        return [
            (
                f"inventory.product-{'listed' if version == 1 else 'priced'}.v1",
                sku,
                {"sku": sku, "version": version, "name": name, "price": price},
            )
            for version, name in enumerate(names, 1)
        ]

    def at(self, second: float) -> str:
        return (self.start + timedelta(seconds=second)).isoformat()


def model_of(told: Any) -> ConsumedEvent:
    type_, _, data = told
    return MODELS[type_].model_validate_json(json.dumps(data, default=str))


@dataclass
class Ledger:
    """The service without its edges: each call of `project` is one committed transaction."""

    database: Database

    async def project(self, *events: Any) -> None:
        """Give events of one type, each of another key, to their handler."""
        (type_,) = {type_ for type_, _, _ in events}
        async with self.database.transaction() as tx:
            await SUBSCRIPTIONS.by_type[type_].handler(tx, [received(model_of(told)) for told in events])

    async def hand_over(self, tx: Transaction, *events: Any) -> None:
        """Give events to their handlers in a transaction of the caller's, as the inbox does: one call per handler."""
        calls: dict[Any, list[Any]] = {}
        for told in events:
            calls.setdefault(SUBSCRIPTIONS.by_type[told[0]].handler, []).append(received(model_of(told)))
        for handler in sorted(calls, key=lambda handler: str(handler.__qualname__)):
            await handler(tx, calls[handler])

    async def project_each(self, events: Sequence[Any]) -> None:
        for told in events:
            await self.project(told)

    async def orders(self, generation: int) -> dict[UUID, dict[str, Any]]:
        """Order id → its facts, without the generation."""
        query = "SELECT * FROM order_facts WHERE generation = $1"
        rows = await self.all(query, generation)
        return {row["order_id"]: {k: v for k, v in row.items() if k != "generation"} for row in rows}

    async def products(self, generation: int) -> dict[str, tuple[int, str]]:
        """SKU → (version, name)."""
        rows = await self.all("SELECT * FROM product_facts WHERE generation = $1", generation)
        return {row["sku"]: (row["version"], row["name"]) for row in rows}

    async def all(self, query: str, *values: Any) -> list[dict[str, Any]]:
        async with self.database.reading() as connection:
            return [dict(row) for row in await connection.driver.fetch(query, *values)]


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
async def fresh(database: Callable[[str], Awaitable[Any]]) -> Any:
    """A fresh, migrated database."""
    return await database("analytics")


@pytest.fixture
async def url(fresh: Any) -> str:
    """The database, as the service's runtime role sees it."""
    return str(fresh.url)


@pytest.fixture
async def owner(fresh: Any) -> AsyncIterator[Any]:
    """A connection of the role that may change tables."""
    connection = await asyncpg.connect(fresh.owner_url)
    yield connection
    await connection.close()


@pytest.fixture
async def ledger(url: str) -> AsyncIterator[Ledger]:
    ledger = Ledger(Database(url))
    yield ledger
    await ledger.database.close()


@pytest.fixture
def service(url: str, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The service, in a process that answers HTTP only."""
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("SHOP_ROLE", "api")
    return create_service()


@pytest.fixture
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """The service's public port."""
    async with client(service) as asking:
        yield asking


@pytest.fixture
async def operator(http: httpx.AsyncClient, service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """The service's management port, while the service runs."""
    async with management_client(service) as asking:
        yield asking
