"""A customer sets no field that the shop decides: state, prices, totals, ids and times."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

MONEY = {"amount_minor": 1, "currency": "EUR"}
LINE = {"sku": "mug", "quantity": 1}
ORDER = {"lines": [LINE], "currency": "EUR", "payment_token": "tok_ok"}
OF_AN_ORDER: dict[str, Any] = {
    "state": "CONFIRMED",
    "status": "CONFIRMED",
    "total": MONEY,
    "total_minor": 1,
    "order_id": "018f0000-0000-7000-8000-000000000001",
    "version": 7,
    "placed_at": "2026-01-01T00:00:00Z",
    "deadline_at": "2036-01-01T00:00:00Z",
    "reason": "customer",
    "roles": ["operator"],
}
OF_A_LINE: dict[str, Any] = {"unit_price": MONEY, "unit_price_minor": 1, "price": 1, "discount": 100}


async def assert_refused(http: httpx.AsyncClient, floor: Any, body: dict[str, Any], place: str) -> None:
    answer = await http.post("/orders", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:shopfloor:problem:invalid-request")
    assert [error["at"] for error in answer.json()["errors"]] == [place]
    async with floor.database.reading() as connection:
        assert await connection.value(text("SELECT count(*) FROM orders")) == 0


@pytest.mark.parametrize("field", OF_AN_ORDER)
async def test_an_order_with_a_field_that_the_shop_decides_is_refused(
    floor: Any, http: httpx.AsyncClient, field: str
) -> None:
    await assert_refused(http, floor, ORDER | {field: OF_AN_ORDER[field]}, f"body.{field}")


@pytest.mark.parametrize("field", OF_A_LINE)
async def test_a_line_with_a_price_of_the_customer_is_refused(
    floor: Any, http: httpx.AsyncClient, field: str
) -> None:
    body = ORDER | {"lines": [LINE | {field: OF_A_LINE[field]}]}
    await assert_refused(http, floor, body, f"body.lines.0.{field}")
