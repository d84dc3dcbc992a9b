"""The API of orders, as its clients have written it down (contracts/consumers)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from chassis.outbox import Database
from chassis.service import Service
from orders.main import create_service
from orders.settings import Settings
from testkit.databases import MakeDatabase, TestDatabase
from testkit.expectations import State, assert_api_as_expected, http_clients, management_states


@pytest.fixture
async def made(database: MakeDatabase) -> TestDatabase:
    return await database("orders")


@pytest.fixture
async def url(made: TestDatabase) -> str:
    return made.url


@pytest.fixture
def service(url: str) -> Service:
    return create_service(Settings(database_url=url, kafka_bootstrap_servers="127.0.0.1:1", role="api"))


def states_on(floor: Any) -> Mapping[str, State]:
    """The states that clients ask for."""

    async def the_products_have_prices(asked: Mapping[str, Any]) -> None:
        await floor.list_products(asked["prices"], currency=asked["currency"])

    async def an_order_is_pending(asked: Mapping[str, Any]) -> None:
        wanted = UUID(asked["order_id"])
        placed = await floor.place(customer_id=asked["customer_id"], seconds=600)
        await _execute(floor.database, "DELETE FROM orders WHERE id = :wanted", wanted=wanted)
        await _execute(
            floor.database, "UPDATE orders SET id = :wanted WHERE id = :id", wanted=wanted, id=placed
        )

    return {
        "the products have prices": the_products_have_prices,
        "an order is pending": an_order_is_pending,
    }


async def _execute(database: Database, statement: str, **values: Any) -> None:
    async with database.transaction() as tx:
        await tx.connection.execute(text(statement), values)


@pytest.mark.parametrize("consumer", http_clients("orders"))
async def test_the_api_answers_as_a_client_has_written_down(
    consumer: str, floor: Any, made: TestDatabase, service: Service
) -> None:
    await assert_api_as_expected(service, consumer, {**management_states(made), **states_on(floor)})
