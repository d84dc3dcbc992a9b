"""The HTTP API on a real PostgreSQL."""

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from chassis.events import new_id

MUG = {"sku": "mug", "name": "Mug, blue", "price": {"amount_minor": 1250, "currency": "EUR"}, "on_hand": 5}


async def listed(http: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await http.post("/products", json=MUG | changes)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    body = dict(answer.json())
    assert (answer.status_code, body["type"]) == (status, f"urn:shopfloor:problem:{slug}"), body
    return body


async def outbox(floor: Any) -> list[tuple[str, str, str]]:
    async with floor.db.reading() as connection:
        rows = await connection.rows(text("SELECT type, key, topic FROM outbox ORDER BY id"))
        return [(row.type, row.key, row.topic) for row in rows]


async def test_a_product_is_listed_with_its_stock(http: httpx.AsyncClient, floor: Any) -> None:
    answer = await http.post("/products", json=MUG)
    assert answer.status_code == 201
    assert answer.headers["location"] == "/products/mug"
    assert answer.json() == {
        "sku": "mug",
        "name": "Mug, blue",
        "price": {"amount_minor": 1250, "currency": "EUR"},
        "version": 1,
        "initial": 5,
        "replenished": 0,
        "on_hand": 5,
        "reserved": 0,
        "sold": 0,
        "available": 5,
    }
    assert (await http.get("/products/mug")).json() == answer.json()
    assert await outbox(floor) == [("inventory.product-listed.v1", "mug", "inventory.product.v1")]


async def test_a_sku_is_listed_once(http: httpx.AsyncClient, floor: Any) -> None:
    await listed(http)
    body = problem(await http.post("/products", json=MUG), 409, "product-already-listed")
    assert body["sku"] == "mug"
    assert len(await outbox(floor)) == 1


async def test_a_repeated_listing_with_its_key_gets_the_first_answer(
    http: httpx.AsyncClient, floor: Any
) -> None:
    headers = {"Idempotency-Key": str(new_id())}
    first = await http.post("/products", json=MUG, headers=headers)
    second = await http.post("/products", json=MUG, headers=headers)
    assert (second.status_code, second.json()) == (201, first.json())
    assert second.headers["location"] == "/products/mug"
    assert len(await outbox(floor)) == 1
    other = await http.post("/products", json=MUG | {"sku": "other"}, headers=headers)
    problem(other, 422, "idempotency-key-reused")


async def test_a_new_price_is_a_new_version(http: httpx.AsyncClient, floor: Any) -> None:
    await listed(http)
    answer = await http.put("/products/mug/price", json={"amount_minor": 999, "currency": "USD"})
    assert answer.status_code == 200
    assert answer.json()["price"] == {"amount_minor": 999, "currency": "USD"}
    assert answer.json()["version"] == 2
    assert (await outbox(floor))[1] == ("inventory.product-priced.v1", "mug", "inventory.product.v1")


async def test_replenished_pieces_are_available_and_change_no_version(http: httpx.AsyncClient) -> None:
    await listed(http)
    answer = await http.post("/products/mug/replenish", json={"quantity": 7})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["on_hand"], body["replenished"], body["available"]) == (12, 7, 12)
    assert body["version"] == 1


async def test_a_repeated_replenishment_with_its_key_counts_once(http: httpx.AsyncClient) -> None:
    await listed(http)
    headers = {"Idempotency-Key": str(new_id())}
    first = await http.post("/products/mug/replenish", json={"quantity": 7}, headers=headers)
    second = await http.post("/products/mug/replenish", json={"quantity": 7}, headers=headers)
    assert (second.status_code, second.json()) == (200, first.json())
    assert (await http.get("/products/mug")).json()["on_hand"] == 12
    other = await http.post("/products/mug/replenish", json={"quantity": 8}, headers=headers)
    problem(other, 422, "idempotency-key-reused")


async def test_one_key_may_be_used_for_two_operations(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": str(new_id())}
    assert (await http.post("/products", json=MUG, headers=headers)).status_code == 201
    for _ in range(2):
        answer = await http.post("/products/mug/replenish", json={"quantity": 7}, headers=headers)
        assert (answer.status_code, answer.json()["on_hand"]) == (200, 12)
    other = await http.post("/products/cup/replenish", json={"quantity": 7}, headers=headers)
    problem(other, 422, "idempotency-key-reused")


async def test_an_unknown_product_is_its_own_problem(http: httpx.AsyncClient) -> None:
    assert problem(await http.get("/products/ghost"), 404, "unknown-product")["sku"] == "ghost"
    problem(await http.put("/products/ghost/price", json=MUG["price"]), 404, "unknown-product")
    problem(await http.post("/products/ghost/replenish", json={"quantity": 1}), 404, "unknown-product")


@pytest.mark.parametrize("sku", ["", "x" * 65, "a b", "a/b", "mug\u0000", "Ã¤"])
async def test_a_malformed_sku_is_its_own_problem(http: httpx.AsyncClient, sku: str) -> None:
    problem(await http.post("/products", json=MUG | {"sku": sku}), 422, "invalid-sku")


async def test_a_malformed_sku_in_the_path_is_its_own_problem(http: httpx.AsyncClient) -> None:
    problem(await http.get("/products/a%00b"), 422, "invalid-sku")
    problem(await http.put("/products/a%20b/price", json=MUG["price"]), 422, "invalid-sku")
    problem(await http.post("/products/a%20b/replenish", json={"quantity": 1}), 422, "invalid-sku")


@pytest.mark.parametrize(
    "price",
    [
        {"amount_minor": 0, "currency": "EUR"},
        {"amount_minor": -5, "currency": "EUR"},
        {"amount_minor": 10**15, "currency": "EUR"},
        {"amount_minor": 5, "currency": "eur"},
        {"amount_minor": 5, "currency": "EURO"},
        {"amount_minor": 5, "currency": "ZZZ"},
        {"amount_minor": 5, "currency": "XAU"},
    ],
)
async def test_a_malformed_price_is_its_own_problem(
    http: httpx.AsyncClient, price: dict[str, object]
) -> None:
    await listed(http)
    problem(await http.post("/products", json=MUG | {"sku": "cup", "price": price}), 422, "invalid-price")
    problem(await http.put("/products/mug/price", json=price), 422, "invalid-price")


@pytest.mark.parametrize("quantity", [0, -1, 1_000_001, 10**30])
async def test_a_replenishment_out_of_range_is_its_own_problem(
    http: httpx.AsyncClient, quantity: int
) -> None:
    await listed(http)
    body = problem(
        await http.post("/products/mug/replenish", json={"quantity": quantity}), 422, "invalid-quantity"
    )
    assert (body["smallest"], body["largest"]) == (1, 1_000_000)


@pytest.mark.parametrize("on_hand", [-1, 1_000_000_001])
async def test_a_first_stock_out_of_range_is_its_own_problem(http: httpx.AsyncClient, on_hand: int) -> None:
    problem(await http.post("/products", json=MUG | {"on_hand": on_hand}), 422, "invalid-quantity")


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        MUG | {"name": ""},
        MUG | {"name": "a\u0000b"},
        MUG | {"name": "x" * 201},
        MUG | {"name": " "},
        MUG | {"name": "a\u0085b"},
        MUG | {"name": "a\u2028b"},
        MUG | {"name": "\ufffe"},
        MUG | {"name": "e\u0301"},
        MUG | {"on_hand": True},
        MUG | {"on_hand": 1.5},
        MUG | {"on_hand": "5"},
        MUG | {"surprise": 1},
    ],
)
async def test_a_body_of_the_wrong_shape_is_an_invalid_request(http: httpx.AsyncClient, body: object) -> None:
    problem(await http.post("/products", json=body), 422, "invalid-request")


async def test_a_name_that_no_database_can_keep_is_an_invalid_request(http: httpx.AsyncClient) -> None:
    body = json.dumps(MUG | {"name": "a\ud800"})
    answer = await http.post("/products", content=body, headers={"content-type": "application/json"})
    problem(answer, 422, "invalid-request")


async def test_malformed_json_is_its_own_problem(http: httpx.AsyncClient) -> None:
    answer = await http.post("/products", content=b"{", headers={"content-type": "application/json"})
    problem(answer, 400, "malformed-json")


async def test_a_body_above_64_kib_is_its_own_problem(http: httpx.AsyncClient) -> None:
    problem(await http.post("/products", json=MUG | {"name": "x" * 70_000}), 413, "body-too-large")


async def test_products_come_page_by_page(http: httpx.AsyncClient) -> None:
    skus = ["A", "Z", "a", "b", "c-1"]
    for sku in reversed(skus):
        await listed(http, sku=sku)
    seen: list[str] = []
    cursor: str | None = None
    pages = 0
    while cursor is not None or pages == 0:
        params: dict[str, Any] = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await http.get("/products", params=params)).json()
        seen += [product["sku"] for product in page["products"]]
        cursor = page["next_cursor"]
        pages += 1
    assert (seen, pages) == (skus, 3)


async def test_a_full_last_page_has_no_cursor(http: httpx.AsyncClient) -> None:
    await listed(http)
    assert (await http.get("/products", params={"limit": 1})).json()["next_cursor"] is None


async def test_a_tampered_cursor_is_its_own_problem(http: httpx.AsyncClient) -> None:
    for sku in ("a", "b"):
        await listed(http, sku=sku)
    cursor = (await http.get("/products", params={"limit": 1})).json()["next_cursor"]
    for wrong in (cursor[:-2], "x" + cursor, "", "ä"):
        problem(await http.get("/products", params={"cursor": wrong}), 400, "invalid-cursor")


@pytest.mark.parametrize("limit", ["0", "201", "many"])
async def test_a_page_size_out_of_range_is_an_invalid_request(http: httpx.AsyncClient, limit: str) -> None:
    problem(await http.get("/products", params={"limit": limit}), 422, "invalid-request")


async def test_a_reservation_can_be_read_in_every_state(http: httpx.AsyncClient, floor: Any) -> None:
    await listed(http)
    order, buried = new_id(), new_id()
    await floor.reserve((order, {"mug": 2}))
    await floor.release(buried)
    body = (await http.get(f"/reservations/{order}")).json()
    assert body.pop("updated_at") == body.pop("decided_at")
    assert body == {
        "ended_at": None,
        "order_id": str(order),
        "state": "RESERVED",
        "lines": [{"sku": "mug", "quantity": 2}],
        "version": 1,
    }
    await floor.commit(order)
    assert (await http.get(f"/reservations/{order}")).json()["state"] == "COMMITTED"
    assert (await http.get(f"/reservations/{buried}")).json()["state"] == "TOMBSTONE"


async def test_a_reservation_says_when_stock_was_decided_and_when_it_ended(
    http: httpx.AsyncClient, floor: Any
) -> None:
    await listed(http)
    order, buried = new_id(), new_id()
    await floor.reserve((order, {"mug": 2}))
    decided_at = (await http.get(f"/reservations/{order}")).json()["decided_at"]
    await floor.commit(order)
    sold = (await http.get(f"/reservations/{order}")).json()
    assert sold["decided_at"] == decided_at < sold["ended_at"] == sold["updated_at"]
    await floor.release(buried)
    tombstone = (await http.get(f"/reservations/{buried}")).json()
    assert (tombstone["decided_at"], tombstone["ended_at"]) == (None, tombstone["updated_at"])


async def test_the_deprecated_time_says_that_it_is_deprecated(http: httpx.AsyncClient) -> None:
    schemas = (await http.get("/openapi.json")).json()["components"]["schemas"]
    fields = schemas["Reservation"]["properties"]
    assert [name for name, field in fields.items() if field.get("deprecated")] == ["updated_at"]


async def test_an_unknown_reservation_is_its_own_problem(http: httpx.AsyncClient) -> None:
    order = new_id()
    body = problem(await http.get(f"/reservations/{order}"), 404, "unknown-reservation")
    assert body["order_id"] == str(order)
    problem(await http.get("/reservations/no-uuid"), 422, "invalid-request")
