"""The reports say what the events said."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from analytics import handlers


def slug(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).removeprefix("urn:shopfloor:problem:")


async def report(http: httpx.AsyncClient, name: str, **params: str) -> Any:
    answer = await http.get(f"/reports/{name}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_orders_are_counted_by_state(ledger: Any, story: Any, http: httpx.AsyncClient) -> None:
    for ending in ("confirmed", "confirmed", "rejected", "declined", "cancelled", "pending"):
        await ledger.project_each(story.order(ending))
    assert await report(http, "orders-by-state") == {
        "states": [
            {"state": "CANCELLED", "orders": 1},
            {"state": "CONFIRMED", "orders": 2},
            {"state": "PENDING", "orders": 1},
            {"state": "REJECTED", "orders": 2},
        ]
    }


async def test_an_order_is_counted_from_its_own_first_event(
    ledger: Any, story: Any, http: httpx.AsyncClient
) -> None:
    _, reserved, *_ = story.order("confirmed")
    await ledger.project(reserved)
    assert await report(http, "orders-by-state") == {"states": []}


async def test_revenue_is_of_confirmed_orders_and_by_currency(
    ledger: Any, story: Any, http: httpx.AsyncClient
) -> None:
    for ending in ("confirmed", "confirmed", "cancelled", "rejected", "pending"):
        await ledger.project_each(story.order(ending))
    await ledger.project_each(story.order("confirmed", currency="USD", price=100, quantity=1))
    assert await report(http, "revenue") == {
        "currencies": [
            {
                "currency": "EUR",
                "confirmed_orders": 2,
                "revenue_minor": 5196,
                "refunds": 1,
                "refunded_minor": 2598,
            },
            {
                "currency": "USD",
                "confirmed_orders": 1,
                "revenue_minor": 100,
                "refunds": 0,
                "refunded_minor": 0,
            },
        ]
    }


async def test_top_products_are_those_sold_most_with_their_names(
    ledger: Any, story: Any, http: httpx.AsyncClient
) -> None:
    await ledger.project_each(story.product("tea", "Tea", "Green tea"))
    await ledger.project_each(story.order("confirmed", sku="mug", quantity=2))
    await ledger.project_each(story.order("confirmed", sku="tea", quantity=5, price=10))
    await ledger.project_each(story.order("confirmed", sku="tea", quantity=1, price=20))
    await ledger.project_each(story.order("rejected", sku="mug", quantity=99))
    tea = {"sku": "tea", "name": "Green tea", "currency": "EUR", "quantity": 6, "revenue_minor": 70}
    mug = {"sku": "mug", "name": None, "currency": "EUR", "quantity": 2, "revenue_minor": 2598}
    assert await report(http, "top-products") == {"products": [tea, mug]}
    assert await report(http, "top-products", limit="1") == {"products": [tea]}


async def test_waiting_times_are_percentiles_of_the_times_in_the_events(
    ledger: Any, story: Any, http: httpx.AsyncClient
) -> None:
    for seconds in range(1, 102):
        placed, *_, confirmed, _, _ = story.order("confirmed", wait=seconds)
        await ledger.project(placed)
        await ledger.project(confirmed)
    assert await report(http, "time-to-confirm") == {"orders": 101, "p50": 51, "p90": 91, "p99": 100}


async def test_before_anything_is_confirmed_there_is_no_waiting_time(http: httpx.AsyncClient) -> None:
    assert await report(http, "time-to-confirm") == {"orders": 0, "p50": None, "p90": None, "p99": None}


async def test_the_funnel_narrows_from_step_to_step(ledger: Any, story: Any, http: httpx.AsyncClient) -> None:
    for ending in ("confirmed", "confirmed", "rejected", "declined", "cancelled", "pending"):
        await ledger.project_each(story.order(ending))
    told_too_early = story.order("confirmed")[-1]
    await ledger.project(told_too_early)
    assert await report(http, "funnel") == {
        "placed": 6,
        "reserved": 4,
        "captured": 3,
        "confirmed": 2,
        "notified": 2,
    }


@pytest.mark.parametrize("limit", ["0", "101", "many"])
async def test_a_limit_out_of_range_is_refused(http: httpx.AsyncClient, limit: str) -> None:
    answer = await http.get("/reports/top-products", params={"limit": limit})
    assert (answer.status_code, slug(answer)) == (422, "invalid-request")


async def test_reports_read_the_active_generation_only(
    ledger: Any, story: Any, http: httpx.AsyncClient
) -> None:
    await ledger.project_each(story.order("confirmed"))
    async with ledger.database.transaction() as tx:
        await handlers.open_rebuild(tx)
    await ledger.project_each(story.order("confirmed"))
    assert (await report(http, "funnel"))["placed"] == 2
    async with ledger.database.transaction() as tx:
        await handlers.activate_rebuild(tx, 2)
    assert (await report(http, "funnel"))["placed"] == 1


async def test_a_rebuild_is_opened_and_read(http: httpx.AsyncClient) -> None:
    opened = await http.post("/rebuilds")
    assert (opened.status_code, opened.headers["location"]) == (202, "/rebuilds/2")
    assert opened.json() == {"generation": 2}
    rebuild = (await http.get("/rebuilds/2")).json()
    assert (rebuild["state"], rebuild["progress"], rebuild["messages_total"]) == ("BUILDING", 0, None)
    assert (await http.get("/rebuilds/1")).json()["state"] == "ACTIVE"


async def test_rebuilds_are_listed_newest_first(http: httpx.AsyncClient) -> None:
    await http.post("/rebuilds")
    found = (await http.get("/rebuilds")).json()["rebuilds"]
    assert [(each["generation"], each["state"]) for each in found] == [(2, "BUILDING"), (1, "ACTIVE")]
    newest = (await http.get("/rebuilds", params={"limit": 1})).json()["rebuilds"]
    assert newest == found[:1]
    assert (await http.get("/rebuilds", params={"limit": 0})).status_code == 422


async def test_a_second_rebuild_is_refused_while_one_runs(http: httpx.AsyncClient) -> None:
    await http.post("/rebuilds")
    answer = await http.post("/rebuilds")
    assert (answer.status_code, slug(answer)) == (409, "rebuild-already-running")


async def test_the_same_request_again_gets_the_same_answer(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    first, second = [await http.post("/rebuilds", headers=headers) for _ in range(2)]
    assert first.status_code == second.status_code == 202
    assert first.json() == second.json() == {"generation": 2}
    assert first.headers["location"] == second.headers["location"]


async def test_an_unknown_rebuild_is_not_found(http: httpx.AsyncClient) -> None:
    answer = await http.get("/rebuilds/99")
    assert (answer.status_code, slug(answer)) == (404, "unknown-rebuild")
