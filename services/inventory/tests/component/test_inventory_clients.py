"""The API of inventory, as its clients have written it down (contracts/consumers)."""

from collections.abc import Mapping
from typing import Any

import pytest

from inventory.domain import ProductAlreadyListed
from inventory.main import create_service
from inventory.settings import Settings
from testkit.databases import MakeDatabase, TestDatabase
from testkit.expectations import State, assert_api_as_expected, http_clients, management_states


@pytest.fixture
async def made(database: MakeDatabase) -> TestDatabase:
    return await database("inventory")


@pytest.fixture
async def url(made: TestDatabase) -> str:
    return made.url


def states_on(floor: Any) -> Mapping[str, State]:
    """The states that clients ask for."""

    async def the_product_is_listed(asked: Mapping[str, Any]) -> None:
        try:
            await floor.stock(**{asked["sku"]: asked["on_hand"]})
        except ProductAlreadyListed:
            pass  # by the state of an earlier interaction

    return {"the product is listed": the_product_is_listed}


@pytest.mark.parametrize("consumer", http_clients("inventory"))
async def test_the_api_answers_as_a_client_has_written_down(
    consumer: str, floor: Any, made: TestDatabase
) -> None:
    settings = Settings(database_url=made.url, kafka_bootstrap_servers="127.0.0.1:1", role="api")
    states = {**management_states(made), **states_on(floor)}
    await assert_api_as_expected(create_service(settings), consumer, states)
