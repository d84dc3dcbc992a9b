"""The addresses of the server: what they show, and the sentence where something is missing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from shop_floor import acts
from shop_floor.app import Shop, create_app
from shop_observe.tail import LogUnreadable
from shop_stack.ports import SERVICES, free_port
from tools.floor.tests.scenes import (
    Log,
    Looker,
    confirmed,
    fake_shop,
    fake_target,
    healthy,
    order_id,
    placed_order,
    until,
)
from tools.floor.tests.services import KEY, Services, letter, serving


@pytest.fixture
def services() -> Iterator[Services]:
    found = Services()
    with serving(found.app()) as url:
        found.url = url
        yield found


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def shop(log: Log, services: Services, tmp_path: Path) -> Shop:
    return fake_shop(log, Looker(healthy()), fake_target(services.url, tmp_path), free_port())


@pytest.fixture
async def browser(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of a page that may act."""
    here = f"http://127.0.0.1:{shop.guard.port}"
    transport = httpx.ASGITransport(create_app(shop, acts.router))
    async with httpx.AsyncClient(transport=transport, base_url=here) as client:
        await client.get(shop.guard.link())
        token = (await client.get("/api/session")).json()["token"]
        client.headers.update({"origin": here, "x-floor-token": token})
        yield client


@pytest.mark.parametrize(
    "path", ["/", "/storefront", "/dead-letters", "/faults", "/contracts", "/labs", "/order/x"]
)
async def test_every_view_has_an_address(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(path)
    assert (answer.status_code, "main.js" in answer.text, "{{" in answer.text) == (200, True, False)


@pytest.mark.parametrize("path", ["/x", "/static/x.js", "/static/../app.py", "/api/x"])
async def test_another_address_is_not_found(browser: httpx.AsyncClient, path: str) -> None:
    assert (await browser.get(path)).status_code == 404


async def test_the_map_has_every_service_and_topic(browser: httpx.AsyncClient) -> None:
    told = (await browser.get("/api/map")).json()
    assert told["services"] == list(SERVICES)
    readers = {topic["name"]: topic["readers"] for topic in told["topics"]}
    assert readers["payments.payment.v1"] == ["orders", "notifications", "analytics"]


async def test_an_order_is_exported_as_json_and_as_mermaid(browser: httpx.AsyncClient, log: Log) -> None:
    order = confirmed()
    await log.write(*order.entries)
    told = (await browser.get(f"/api/orders/{order.id}/export.json")).json()
    assert (told["state"], len(told["events"]), told["lacks"]) == ("CONFIRMED", 6, [])
    diagram = await browser.get(f"/api/orders/{order.id}/export.mmd")
    assert diagram.text.startswith("sequenceDiagram")
    assert f"order-{order.id}.mmd" in diagram.headers["content-disposition"]


async def test_an_order_that_does_not_exist_is_unknown(browser: httpx.AsyncClient) -> None:
    told = (await browser.get(f"/api/orders/{order_id()}/export.json")).json()
    assert (told["known"], told["events"]) == (False, [])


async def test_a_text_that_is_no_order_id_is_a_sentence(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/api/orders/%3Cscript%3E/export.json")
    assert (answer.status_code, "no order id" in answer.json()["detail"]) == (404, True)


async def test_an_order_of_a_log_that_cannot_be_read_says_so(browser: httpx.AsyncClient, log: Log) -> None:
    log.fault = LogUnreadable("Kafka does not answer: is the shop up?")
    told = (await browser.get(f"/api/orders/{order_id()}/export.json")).json()
    assert told["lacks"] == ["Kafka does not answer: is the shop up?"]


async def test_a_service_that_is_down_is_missing_from_the_order_and_from_the_dead_letters(
    browser: httpx.AsyncClient, services: Services, log: Log
) -> None:
    order = confirmed()
    await log.write(*order.entries)
    services.silent.add("payments")
    services.letters["inventory"] = [letter(3, order.id)]
    told = (await browser.get(f"/api/orders/{order.id}/export.json")).json()
    assert [each["service"] for each in told["letters"]] == ["inventory"]
    assert [sentence.partition(" ")[0] for sentence in told["lacks"]] == ["payments"]
    listed = (await browser.get("/api/dead-letters")).json()
    assert (len(listed["letters"]), len(listed["lacks"])) == (1, 1)


async def test_a_redrive_is_of_the_whole_key_and_a_discard_of_one(
    browser: httpx.AsyncClient, services: Services
) -> None:
    services.letters["payments"] = [letter(7), letter(8, state="WAITING"), letter(9, "other")]
    wish = {"service": "payments", "id": 8}
    answer = await browser.post("/api/dead-letters/redrive", json=wish)
    assert answer.json()["ended"] == 2
    await browser.post("/api/dead-letters/discard", json={**wish, "id": 9, "whole_key": False})
    assert services.ended == [
        ("payments", "redrive", {"id": None, "key": KEY}),
        ("payments", "discard", {"id": 9, "key": None}),
    ]


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"service": "payments", "id": 99}, "payments refuses: There is no such dead letter."),
        ({"service": "billing", "id": 1}, "There is no service 'billing'"),
    ],
)
async def test_a_dead_letter_that_does_not_exist_is_a_sentence(
    browser: httpx.AsyncClient, wish: dict[str, object], sentence: str
) -> None:
    answer = await browser.post("/api/dead-letters/redrive", json=wish)
    assert (answer.status_code, sentence in answer.json()["detail"]) == (502, True)


async def test_a_foreign_text_of_a_dead_letter_cannot_steer_the_page(
    browser: httpx.AsyncClient, services: Services
) -> None:
    services.letters["orders"] = [{**letter(1), "key": "\x1b[31m" + "k" * 5_000}]
    shown = (await browser.get("/api/dead-letters")).json()["letters"][0]["key"]
    assert (shown[0], len(shown)) == ("\ufffd", 300)


async def test_an_order_that_was_not_placed_here_cannot_be_cancelled_here(browser: httpx.AsyncClient) -> None:
    answer = await browser.post(f"/api/orders/{order_id()}/cancel")
    assert (answer.status_code, "Only its customer" in answer.json()["detail"]) == (502, True)


async def test_an_empty_cart_is_a_sentence(browser: httpx.AsyncClient) -> None:
    assert "The cart is empty" in (await browser.post("/api/orders", json={})).json()["detail"]


async def test_a_part_that_does_not_exist_is_a_sentence(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/api/parts/billing/kill")
    assert "There is no 'billing' here" in answer.json()["detail"]


async def test_the_contracts_name_the_readers_of_every_event(browser: httpx.AsyncClient) -> None:
    told = (await browser.get("/api/contracts")).json()
    placed = next(each for each in told["events"] if each["event"] == "orders.order-placed.v1")
    assert {"inventory", "payments"} <= {reader["consumer"] for reader in placed["readers"]}
    assert (told["lacks"], told["deployed"]["payments"]) == ([], "0.3.0")


async def test_a_browser_that_goes_away_in_mid_stream_ends_the_reading(
    shop: Shop, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shop_floor.floor.GRACE_SECONDS", 0.05)
    order = placed_order()
    with serving(create_app(shop, acts.router), shop.guard.port) as here:
        async with httpx.AsyncClient(base_url=here) as client:
            await client.get(shop.guard.link())
            async with client.stream("GET", "/api/stream") as stream:
                lines = stream.aiter_lines()
                assert await anext(lines) == "event: whole"
                assert shop.floor.is_reading
            async with client.stream("GET", f"/api/orders/{order.id}/stream") as stream:
                lines = stream.aiter_lines()
                assert await anext(lines) == "event: story"
                assert orjson.loads((await anext(lines)).removeprefix("data: "))["known"] is False
        await until(lambda: not shop.floor.is_reading)
