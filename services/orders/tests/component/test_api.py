"""The HTTP API: what it takes, what it refuses and how, and what it costs."""

import asyncio
import json
import logging
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from chassis.outbox import Database
from orders.main import create_service
from orders.settings import Settings
from testkit import client, eventually, login, statements

TOKEN = "tok_secret_6f1d"


def order(**changes: Any) -> dict[str, Any]:
    """A good order, but for `changes`."""
    good: dict[str, Any] = {
        "customer_id": "c-ada",
        "lines": [{"sku": "mug", "quantity": 2}, {"sku": "tea", "quantity": 1}],
        "currency": "EUR",
        "payment_token": TOKEN,
    }
    return good | changes


def login_of(customer_id: str) -> dict[str, str]:
    """The header with a token of a customer."""
    return login("orders", customer_id, ["customer"])


def lines(*skus: str, quantity: int = 1) -> list[dict[str, Any]]:
    return [{"sku": sku, "quantity": quantity} for sku in skus]


def assert_problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert (problem["type"], problem["status"]) == (f"urn:shopfloor:problem:{slug}", status)
    assert TOKEN not in answer.text
    return problem


async def test_an_order_is_accepted_with_its_place_and_its_total(floor: Any, http: httpx.AsyncClient) -> None:
    answer = await http.post("/orders", json=order(deadline_seconds=30))
    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/orders/{body['order_id']}"
    assert (body["state"], body["total"]) == ("PENDING", {"amount_minor": 3248, "currency": "EUR"})
    row = await floor.row(UUID(body["order_id"]))
    assert row.deadline_at - row.placed_at == timedelta(seconds=30)
    assert datetime.fromisoformat(body["deadline_at"]) == row.deadline_at


async def test_an_order_is_published_with_all_that_the_saga_needs(
    floor: Any, http: httpx.AsyncClient
) -> None:
    order_id = (await http.post("/orders", json=order())).json()["order_id"]
    [row] = await floor.outbox(order_id)
    data = json.loads(row.data)
    assert (row.topic, row.type, row.correlation_id) == (
        "orders.order.v1",
        "orders.order-placed.v1",
        order_id,
    )
    assert data["payment_token"] == TOKEN
    assert data["lines"][0] == {
        "sku": "mug",
        "quantity": 2,
        "unit_price": {"amount_minor": 1299, "currency": "EUR"},
    }
    assert row.traceparent == (await floor.row(UUID(order_id))).traceparent


async def test_an_order_without_a_deadline_gets_the_one_of_the_settings(
    floor: Any, http: httpx.AsyncClient
) -> None:
    order_id = (await http.post("/orders", json=order())).json()["order_id"]
    row = await floor.row(UUID(order_id))
    assert row.deadline_at - row.placed_at == timedelta(seconds=60)


async def test_an_order_is_read_with_its_lines_and_history(floor: Any, http: httpx.AsyncClient) -> None:
    order_id = await floor.place()
    await floor.reject_unstocked(order_id)
    body = (await http.get(f"/orders/{order_id}")).json()
    assert (body["order_id"], body["state"], body["reason"]) == (str(order_id), "REJECTED", "out_of_stock")
    assert body["lines"] == [
        {"sku": "mug", "quantity": 2, "unit_price": {"amount_minor": 1299, "currency": "EUR"}}
    ]
    assert [(step["event"], step["state"]) for step in body["history"]] == [
        ("orders.order-placed.v1", "PENDING"),
        ("orders.order-rejected.v1", "REJECTED"),
    ]
    assert body["ended_at"] == body["history"][-1]["at"]


async def test_a_customers_orders_are_listed_newest_first_in_pages(
    floor: Any, http: httpx.AsyncClient
) -> None:
    placed = [str(await floor.place()) for _ in range(5)]
    await floor.place(customer_id="c-bob")
    listed: list[str] = []
    query: dict[str, Any] = {"customer_id": "c-ada", "limit": 2}
    for _ in range(3):
        page = (await http.get("/orders", params=query)).json()
        listed += [entry["order_id"] for entry in page["orders"]]
        query["cursor"] = page["next_cursor"]
    assert listed == placed[::-1]
    assert query["cursor"] is None


@pytest.mark.parametrize("state", ["PENDING", "CONFIRMED", "REJECTED", "CANCELLED"])
async def test_a_customer_lists_the_orders_in_one_state(
    floor: Any, http: httpx.AsyncClient, state: str
) -> None:
    placed = {name: await floor.place() for name in ("PENDING", "CONFIRMED", "REJECTED", "CANCELLED")}
    await floor.confirm(placed["CONFIRMED"])
    await floor.reject_unpaid(placed["REJECTED"])
    await floor.cancel(placed["CANCELLED"])
    page = (await http.get("/orders", params={"state": state})).json()
    assert [(entry["order_id"], entry["state"]) for entry in page["orders"]] == [(str(placed[state]), state)]


async def test_a_state_that_no_order_has_is_an_invalid_request(http: httpx.AsyncClient) -> None:
    assert_problem(await http.get("/orders", params={"state": "LOST"}), 422, "invalid-request")


async def test_a_cancelled_order_is_shown_at_once_and_again(floor: Any, http: httpx.AsyncClient) -> None:
    order_id = await floor.place()
    for _ in range(2):
        answer = await http.post(f"/orders/{order_id}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (202, "CANCELLED")
    assert len(await floor.outbox(order_id)) == 2


async def test_the_same_idempotency_key_places_one_order_and_gets_one_answer(
    floor: Any, http: httpx.AsyncClient
) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    first, second = [await http.post("/orders", json=order(), headers=key) for _ in range(2)]
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert first.headers["location"] == second.headers["location"]
    assert await count_orders(floor.database) == 1


async def test_the_same_idempotency_key_at_the_same_time_places_one_order(
    floor: Any, http: httpx.AsyncClient
) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    answers = await asyncio.gather(*(http.post("/orders", json=order(), headers=key) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["order_id"] for answer in answers}) == 1
    assert await count_orders(floor.database) == 1


async def test_a_refused_order_leaves_its_idempotency_key_free(
    empty_floor: Any, http: httpx.AsyncClient
) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    assert_problem(await http.post("/orders", json=order(), headers=key), 503, "price-list-missing")
    await empty_floor.list_products({"mug": 1299, "tea": 650})
    assert (await http.post("/orders", json=order(), headers=key)).status_code == 202


@pytest.mark.parametrize("changes", [{"payment_token": "tok_other"}, {"lines": lines("tea")}])
async def test_the_same_idempotency_key_with_another_body_is_refused(
    floor: Any, http: httpx.AsyncClient, changes: dict[str, Any]
) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    await http.post("/orders", json=order(), headers=key)
    assert_problem(
        await http.post("/orders", json=order(**changes), headers=key), 422, "idempotency-key-reused"
    )


async def test_two_customers_may_use_one_idempotency_key(floor: Any, http: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    ada, bob = [
        await http.post("/orders", json=order(customer_id=customer_id), headers=key | login_of(customer_id))
        for customer_id in ("c-ada", "c-bob")
    ]
    assert (ada.status_code, bob.status_code) == (202, 202)
    assert ada.json()["order_id"] != bob.json()["order_id"]
    again = await http.post("/orders", json=order(customer_id="c-bob"), headers=key | login_of("c-bob"))
    assert again.json() == bob.json()
    assert await count_orders(floor.database) == 2


@pytest.mark.parametrize(
    ("changes", "slug"),
    [
        ({"lines": []}, "empty-order"),
        ({"lines": lines(*(f"sku-{number}" for number in range(101)))}, "too-many-lines"),
        ({"lines": lines("mug", quantity=0)}, "invalid-quantity"),
        ({"lines": lines("mug", quantity=-1)}, "invalid-quantity"),
        ({"lines": lines("mug", quantity=10_001)}, "invalid-quantity"),
        ({"lines": lines("mug", "tea", "mug")}, "duplicate-sku"),
        ({"lines": lines("mug", "unheard-of")}, "unknown-sku"),
        ({"currency": "USD"}, "currency-not-offered"),
        ({"lines": lines(*(f"sku-{number}" for number in range(1_000)))}, "too-many-lines"),
        ({"lines": lines(*(f"sku-{number}" for number in range(1_001)))}, "invalid-request"),
        ({"currency": "euro"}, "invalid-request"),
        ({"currency": "ZZZ"}, "invalid-request"),
        ({"currency": "XAU"}, "invalid-request"),
        ({"payment_token": "tok\u0000"}, "invalid-request"),
        ({"payment_token": "\ud800"}, "invalid-request"),
        ({"customer_id": "\ud800"}, "invalid-request"),
        ({"customer_id": "c-ada "}, "invalid-request"),
        ({"customer_id": "e\u0301"}, "invalid-request"),
        ({"customer_id": ""}, "invalid-request"),
        ({"customer_id": "c" * 65}, "invalid-request"),
        ({"customer_id": "c\x00"}, "invalid-request"),
        ({"lines": lines("mug\x00")}, "invalid-request"),
        ({"lines": [{"sku": "mug", "quantity": "2"}]}, "invalid-request"),
        ({"lines": [{"sku": "mug", "quantity": True}]}, "invalid-request"),
        ({"payment_token": ""}, "invalid-request"),
        ({"payment_token": [TOKEN]}, "invalid-request"),
        ({"payment_token": TOKEN * 20}, "invalid-request"),
        ({"payment_token": TOKEN, "customer": "misspelt"}, "invalid-request"),
        ({"deadline_seconds": 0}, "invalid-request"),
        ({"deadline_seconds": 3601}, "invalid-request"),
    ],
)
async def test_each_bad_order_is_refused_by_a_problem_of_its_own(
    floor: Any, http: httpx.AsyncClient, changes: dict[str, Any], slug: str
) -> None:
    # As ASCII: a lone surrogate is legal in JSON, and in UTF-8 it is not.
    body = json.dumps(order(**changes)).encode("ascii")
    answer = await http.post("/orders", content=body, headers={"content-type": "application/json"})
    assert_problem(answer, 422, slug)
    assert await count_orders(floor.database) == 0


@pytest.mark.parametrize(
    "body",
    [
        order(lines=[0] * 31_000),
        order(lines=[{}] * 20_000),
        order(lines=[{"sku": "mug", "quantity": 1} | {str(number): 0 for number in range(7_000)}]),
        order() | {str(number): 0 for number in range(7_000)},
        order() | {"x" * 60_000: 0},
        order() | {"\U0001f600" * 5_000: 0},
        order() | {"\ud800" * 10_000: 0},
    ],
    ids=["numbers", "empty lines", "members of a line", "members", "a long member", "emoji", "surrogates"],
)
async def test_the_answer_to_an_invalid_body_is_small(http: httpx.AsyncClient, body: dict[str, Any]) -> None:
    content = json.dumps(body, separators=(",", ":"))
    answer = await http.post("/orders", content=content, headers={"content-type": "application/json"})
    assert_problem(answer, 422, "invalid-request")
    assert len(answer.content) < 10_000


async def test_a_few_errors_are_all_named(http: httpx.AsyncClient) -> None:
    answer = await http.post("/orders", json=order(lines=[{"sku": "mug"}, {"quantity": 1}], currency="eur"))
    problem = assert_problem(answer, 422, "invalid-request")
    places = ["body.lines.0.quantity", "body.lines.1.sku", "body.currency"]
    assert [error["at"] for error in problem["errors"]] == places
    assert problem["error_count"] == 3


async def test_a_problem_tells_the_facts_that_a_program_needs(floor: Any, http: httpx.AsyncClient) -> None:
    problem = assert_problem(
        await http.post("/orders", json=order(lines=lines("mug", "unheard-of"))), 422, "unknown-sku"
    )
    assert problem["skus"] == ["unheard-of"]


async def test_an_incomplete_order_is_refused_without_showing_its_token(
    floor: Any, http: httpx.AsyncClient
) -> None:
    incomplete = order()
    del incomplete["currency"]
    assert_problem(await http.post("/orders", json=incomplete), 422, "invalid-request")


async def test_without_a_price_list_the_customer_is_asked_to_try_again(
    empty_floor: Any, http: httpx.AsyncClient
) -> None:
    answer = await http.post("/orders", json=order())
    assert_problem(answer, 503, "price-list-missing")
    assert int(answer.headers["retry-after"]) > 0


async def test_malformed_json_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.post(
        "/orders", content=b'{"customer_id": ', headers={"content-type": "application/json"}
    )
    assert_problem(answer, 400, "malformed-json")


async def test_a_body_that_is_too_large_is_refused(http: httpx.AsyncClient) -> None:
    assert_problem(await http.post("/orders", json=order(customer_id="c" * 65_536)), 413, "body-too-large")


@pytest.mark.parametrize("path", ["/orders?customer_id=c-ada&cursor=", "/prices?cursor="])
async def test_a_cursor_that_was_tampered_with_is_refused(
    floor: Any, http: httpx.AsyncClient, path: str
) -> None:
    for _ in range(2):
        await floor.place()
    listing = path.partition("cursor=")[0] + "limit=1"
    sealed = (await http.get(listing)).json()["next_cursor"]
    middle = len(sealed) // 2
    tampered = sealed[:middle] + ("A" if sealed[middle] != "A" else "B") + sealed[middle + 1 :]
    for cursor in (tampered, "nonsense", "%00"):
        assert_problem(await http.get(path + cursor), 400, "invalid-cursor")


async def test_a_cursor_of_another_customer_is_refused(floor: Any, http: httpx.AsyncClient) -> None:
    for _ in range(2):
        await floor.place()
    sealed = (await http.get("/orders", params={"customer_id": "c-ada", "limit": 1})).json()["next_cursor"]
    asked = {"customer_id": "c-bob", "cursor": sealed}
    answer = await http.get("/orders", params=asked, headers=login_of("c-bob"))
    assert_problem(answer, 400, "invalid-cursor")


async def test_an_order_without_a_customer_is_one_of_the_tokens_subject(
    floor: Any, http: httpx.AsyncClient
) -> None:
    body = order()
    del body["customer_id"]
    order_id = (await http.post("/orders", json=body, headers=login_of("c-eve"))).json()["order_id"]
    assert (await floor.row(UUID(order_id))).customer_id == "c-eve"


async def test_an_idempotency_key_is_the_same_with_the_customers_name_and_without(
    floor: Any, http: httpx.AsyncClient
) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    body = order()
    first = await http.post("/orders", json=body, headers=key)
    del body["customer_id"]
    assert (await http.post("/orders", json=body, headers=key)).json() == first.json()


async def test_an_order_for_another_customer_is_refused(floor: Any, http: httpx.AsyncClient) -> None:
    assert_problem(await http.post("/orders", json=order(customer_id="c-bob")), 403, "other-customer")
    assert await count_orders(floor.database) == 0


@pytest.mark.parametrize(("method", "path"), [("GET", "/orders/{}"), ("POST", "/orders/{}/cancel")])
async def test_an_order_of_another_customer_is_not_found_and_stays(
    floor: Any, http: httpx.AsyncClient, method: str, path: str
) -> None:
    order_id = await floor.place(customer_id="c-bob")
    assert_problem(await http.request(method, path.format(order_id)), 404, "unknown-order")
    assert (await floor.row(order_id)).state == "PENDING"
    answer = await http.request(method, path.format(order_id), headers=login_of("c-bob"))
    assert answer.status_code in (200, 202)


async def test_the_orders_of_another_customer_are_not_listed(floor: Any, http: httpx.AsyncClient) -> None:
    await floor.place(customer_id="c-bob")
    assert_problem(await http.get("/orders", params={"customer_id": "c-bob"}), 404, "unknown-customer")
    assert (await http.get("/orders")).json()["orders"] == []


async def test_an_operator_reads_every_order_and_cancels_none(floor: Any, http: httpx.AsyncClient) -> None:
    order_id = await floor.place(customer_id="c-bob")
    operator = login("orders", "operator", ["operator"])
    assert (await http.get(f"/orders/{order_id}", headers=operator)).json()["customer_id"] == "c-bob"
    assert_problem(await http.post(f"/orders/{order_id}/cancel", headers=operator), 403, "role-missing")


@pytest.mark.parametrize(("method", "path"), [("GET", "/orders/{}"), ("POST", "/orders/{}/cancel")])
async def test_an_order_that_does_not_exist_is_not_found(
    http: httpx.AsyncClient, method: str, path: str
) -> None:
    assert_problem(await http.request(method, path.format(uuid4())), 404, "unknown-order")


async def test_cancelling_an_order_that_ended_otherwise_is_a_conflict(
    floor: Any, http: httpx.AsyncClient
) -> None:
    order_id = await floor.place()
    await floor.confirm(order_id)
    problem = assert_problem(await http.post(f"/orders/{order_id}/cancel"), 409, "order-already-ended")
    assert problem["state"] == "CONFIRMED"


async def test_a_database_that_is_away_is_a_problem_with_a_time_to_retry() -> None:
    away = "postgresql://orders:orders@127.0.0.1:1/orders"
    settings = Settings(database_url=away, kafka_bootstrap_servers="127.0.0.1:1", role="api")
    async with client(create_service(settings), roles=["customer"]) as http:
        answer = await http.post("/orders", json=order())
    assert_problem(answer, 503, "database-unavailable")
    assert int(answer.headers["retry-after"]) > 0


async def test_the_token_is_neither_logged_nor_kept_nor_shown(
    floor: Any, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    key = {"Idempotency-Key": str(uuid4())}
    answer = await http.post("/orders", json=order(), headers=key)
    shown = await http.get(answer.headers["location"])
    async with floor.database.reading() as connection:
        kept = [
            *await connection.rows(text("SELECT CAST(o AS text) FROM orders AS o")),
            *await connection.rows(text("SELECT CAST(i AS text) FROM idempotency_keys AS i")),
        ]
    captured = capfd.readouterr()
    assert len(kept) == 2
    assert TOKEN not in "".join([answer.text, shown.text, str(kept), caplog.text, captured.out, captured.err])


async def test_an_order_costs_three_statements_and_two_more_with_an_idempotency_key(
    floor: Any, url: str
) -> None:
    service = create_service(Settings(database_url=url, kafka_bootstrap_servers="127.0.0.1:1", role="api"))
    async with client(service, roles=["customer"]) as http:
        with statements() as plain:
            assert (await http.post("/orders", json=order())).status_code == 202
        with statements() as keyed:
            answer = await http.post("/orders", json=order(), headers={"Idempotency-Key": str(uuid4())})
            assert answer.status_code == 202
    # Beside them, PENDING orders are counted and relays are notified, both once in a while.
    others = ("pending", "pg_notify")
    plain, keyed = (
        [one for one in sent if not any(word in one for word in others)] for sent in (plain, keyed)
    )
    assert len(plain) == 3, plain  # prices, order, outbox
    assert len(keyed) == 5, keyed  # and: claim the key, store the answer


async def test_the_openapi_document_names_the_problems_of_every_operation(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    place = document["paths"]["/orders"]["post"]
    assert {"202", "400", "413", "422", "503"} <= set(place["responses"])
    for path in ("/orders", "/orders/{order_id}", "/orders/{order_id}/cancel", "/prices"):
        for operation in document["paths"][path].values():
            assert operation["summary"]
            assert list(operation["responses"]["422"]["content"]) == ["application/problem+json"]
    assert "Location" in place["responses"]["202"]["headers"]
    assert "$ref" in place["responses"]["202"]["content"]["application/json"]["schema"]


async def count_orders(database: Database) -> int:
    async with database.reading() as connection:
        return int(await connection.value(text("SELECT count(*) FROM orders")))


async def test_with_too_many_pending_new_orders_are_refused_until_some_have_ended(
    floor: Any, url: str
) -> None:
    settings = Settings(
        database_url=url, kafka_bootstrap_servers="127.0.0.1:1", role="api", orders_max_pending=2
    )
    first, _ = await floor.place(), await floor.place()
    async with client(create_service(settings), roles=["customer"]) as http:

        async def refused() -> None:
            assert_problem(await http.post("/orders", json=order(customer_id="")), 429, "overloaded")

        async def taken() -> None:
            assert (await http.post("/orders", json=order())).status_code == 202

        await eventually(refused)
        assert (await http.post(f"/orders/{first}/cancel")).status_code == 202
        await eventually(taken)
