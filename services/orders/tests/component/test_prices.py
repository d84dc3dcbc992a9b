"""The own copy of the price list."""

from typing import Any

import httpx
import pytest

from chassis.events import Money
from orders import db as tables
from orders import handlers
from orders.events import ProductPriced
from testkit import received, statements


async def price_of(floor: Any, sku: str) -> int:
    async with floor.database.reading() as connection:
        terms = await tables.terms_of(connection, [sku], "c-ada", at_most=1)
        return terms.prices[sku].amount_minor


async def test_a_newer_price_replaces_an_older_one(floor: Any) -> None:
    await floor.list_products({"mug": 1500}, version=2)
    assert await price_of(floor, "mug") == 1500


async def test_a_price_event_of_its_own_type_does_the_same(floor: Any) -> None:
    priced = ProductPriced(sku="mug", version=2, name="Mug", price=Money(amount_minor=1, currency="EUR"))
    async with floor.database.transaction() as tx:
        await handlers.update_price(tx, [received(priced)])
    assert await price_of(floor, "mug") == 1


@pytest.mark.parametrize("version", [1, 2])
async def test_a_price_that_is_not_newer_is_dropped(floor: Any, version: int) -> None:
    await floor.list_products({"mug": 1500}, version=2)
    await floor.list_products({"mug": 900}, version=version)
    assert await price_of(floor, "mug") == 1500


async def test_a_batch_of_prices_is_one_statement(floor: Any) -> None:
    with statements() as sent:
        await floor.list_products({f"sku-{number}": number for number in range(200)})
    assert len(sent) == 1


async def test_an_order_keeps_the_price_at_which_it_was_placed(floor: Any) -> None:
    order_id = await floor.place()
    await floor.list_products({"mug": 9999}, version=2)
    row = await floor.row(order_id)
    assert (row.total_minor, row.lines) == (2598, [{"sku": "mug", "quantity": 2, "unit_price_minor": 1299}])


async def test_the_price_list_is_read_in_pages(floor: Any, http: httpx.AsyncClient) -> None:
    first = (await http.get("/prices", params={"limit": 1})).json()
    second = (await http.get("/prices", params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert first["prices"] == [
        {"sku": "mug", "name": "Mug", "price": {"amount_minor": 1299, "currency": "EUR"}, "version": 1}
    ]
    assert [price["sku"] for price in second["prices"]] == ["tea"]
    assert second["next_cursor"] is None
