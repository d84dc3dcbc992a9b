"""The whole catalogue is published again, page by page, and no reader goes back to an older price."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from chassis.events import new_id
from inventory import handlers
from inventory.jobs import republish_catalogue
from testkit import eventually


async def products_in_the_outbox(floor: Any) -> list[tuple[str, dict[str, Any]]]:
    async with floor.db.reading() as connection:
        rows = await connection.rows(text("SELECT type, data FROM outbox ORDER BY id"))
        return [(row.type, json.loads(row.data)) for row in rows]


async def reprice(floor: Any, sku: str, price_minor: int) -> None:
    async with floor.db.transaction() as tx:
        await handlers.price_product(tx, sku=sku, price_minor=price_minor, currency="EUR")


async def test_the_catalogue_is_published_again_from_the_tables_with_its_versions(
    http: httpx.AsyncClient, floor: Any
) -> None:
    await floor.stock(mug=1, tea=0)
    await reprice(floor, "tea", 999)
    listed_mug, _, priced_tea = await products_in_the_outbox(floor)
    async with floor.db.transaction() as tx:
        await tx.connection.execute(text("DELETE FROM outbox"))

    asked = await http.post("/products/republish")
    assert (asked.status_code, asked.json()["finished_at"]) == (202, None)
    assert await republish_catalogue(floor.db) == 2
    assert await products_in_the_outbox(floor) == [listed_mug, priced_tea]
    done = (await http.get(asked.headers["location"])).json()
    assert done["products"] == 2
    assert done["finished_at"] is not None
    assert await republish_catalogue(floor.db) == 0


async def test_pages_go_on_where_the_last_one_ended(
    http: httpx.AsyncClient, floor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "REPUBLISH_PAGE", 2)
    await floor.stock(a=1, b=1, c=1, d=1)
    place = (await http.post("/products/republish")).headers["location"]
    assert [await republish_catalogue(floor.db) for _ in range(4)] == [2, 2, 0, 0]
    skus = [data["sku"] for _, data in await products_in_the_outbox(floor)]
    assert skus[4:] == ["a", "b", "c", "d"]
    assert (await http.get(place)).json()["products"] == 4


async def test_a_request_while_one_is_under_way_gets_the_same_one(
    http: httpx.AsyncClient, floor: Any
) -> None:
    await floor.stock(mug=1)
    answers = await asyncio.gather(*(http.post("/products/republish") for _ in range(5)))
    assert len({answer.headers["location"] for answer in answers}) == 1
    await republish_catalogue(floor.db)
    after = await http.post("/products/republish")
    assert after.headers["location"] != answers[0].headers["location"]


async def test_two_replicas_publish_no_page_twice(http: httpx.AsyncClient, floor: Any) -> None:
    await floor.stock(mug=1, tea=1)
    await http.post("/products/republish")
    published = await asyncio.gather(*(republish_catalogue(floor.db) for _ in range(3)))
    assert sorted(published) == [0, 0, 2]


async def test_an_older_price_never_follows_a_newer_one(http: httpx.AsyncClient, floor: Any) -> None:
    await floor.stock(mug=1)
    await http.post("/products/republish")
    async with floor.db.transaction() as tx:
        await handlers.price_product(tx, sku="mug", price_minor=999, currency="EUR")
        page = asyncio.create_task(republish_catalogue(floor.db))

        await eventually(lambda: page_waits_or_is_done(floor, page))
    assert await page == 1
    versions = [data["version"] for _, data in await products_in_the_outbox(floor)]
    assert versions == [1, 2, 2]


async def page_waits_or_is_done(floor: Any, page: asyncio.Task[int]) -> None:
    here = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    async with floor.db.reading() as connection:
        waiting = await connection.value(text(f"{here} AND wait_event_type = 'Lock'"))
    assert waiting == 1 or page.done()


async def test_stock_moves_on_beside_a_republication(http: httpx.AsyncClient, floor: Any) -> None:
    await floor.stock(**{f"sku-{number}": 100 for number in range(20)})
    orders = [(new_id(), {f"sku-{19 - number}": 1, f"sku-{number}": 1}) for number in range(20)]
    await floor.reserve(*orders)
    await http.post("/products/republish")
    await asyncio.gather(*(floor.commit(order_id) for order_id, _ in orders), republish_catalogue(floor.db))
    assert await floor.counts("sku-0") == (98, 0, 2)


async def test_an_unknown_republication_is_its_own_problem(http: httpx.AsyncClient) -> None:
    answer = await http.get(f"/republications/{new_id()}")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:shopfloor:problem:unknown-republication")
