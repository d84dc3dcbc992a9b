"""Who may open a page, and who may act: each refusal, and the one way in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from shop_floor import acts
from shop_floor.app import Shop, create_app
from tools.floor.tests.scenes import Log, Looker, fake_shop, fake_target, healthy

PORT = 18040
HERE = f"http://127.0.0.1:{PORT}"
PLACE = "/api/dead-letters/redrive"
"""An address that acts. Without a body that it understands it answers 422, so a 422 has passed the guard."""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return fake_shop(Log(), Looker(healthy()), fake_target("http://127.0.0.1:1", tmp_path), PORT)


def client_of(shop: Shop, address: str = "127.0.0.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(shop, acts.router), client=(address, 50_000))
    return httpx.AsyncClient(transport=transport, base_url=HERE)


@pytest.fixture
async def browser(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that has opened the link."""
    async with client_of(shop) as client:
        answer = await client.get(shop.guard.link())
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        yield client


async def acting(browser: httpx.AsyncClient) -> dict[str, str]:
    """The headers with which a page of the floor acts."""
    token = (await browser.get("/api/session")).json()["token"]
    return {"origin": HERE, "x-floor-token": token}


async def test_the_link_opens_the_page_and_sets_a_cookie_that_other_sites_cannot_use(shop: Shop) -> None:
    async with client_of(shop) as client:
        answer = await client.get(shop.guard.link())
        assert {"HttpOnly", "SameSite=strict"} <= set(answer.headers["set-cookie"].split("; "))
        page = await client.get("/")
    assert page.status_code == 200
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


async def test_a_page_that_acts_passes(browser: httpx.AsyncClient) -> None:
    answer = await browser.post(PLACE, json={}, headers=await acting(browser))
    assert answer.status_code == 422


async def test_a_link_is_good_once(shop: Shop, browser: httpx.AsyncClient) -> None:
    told: list[str] = []
    shop.guard.on_used = told.append
    link = shop.guard.link()
    async with client_of(shop) as first, client_of(shop) as second:
        assert (await first.get(link)).status_code == 303
        assert (await second.get(link)).status_code == 401
        assert (await second.get(told[0])).status_code == 303


async def test_a_new_link_ends_the_one_before_it(shop: Shop) -> None:
    old, _ = shop.guard.link(), shop.guard.link()
    async with client_of(shop) as client:
        assert (await client.get(old)).status_code == 401


@pytest.mark.parametrize("path", ["/", "/order/x", "/api/map", "/api/session", "/api/orders/x/export.json"])
async def test_without_the_link_nothing_is_shown(shop: Shop, path: str) -> None:
    async with client_of(shop) as client:
        answer = await client.get(path)
    assert answer.status_code == 401
    assert "Open the newest link" in answer.text


async def test_without_the_link_nothing_is_done(shop: Shop) -> None:
    async with client_of(shop) as client:
        answer = await client.post(PLACE, json={}, headers={"origin": HERE, "x-floor-token": ""})
    assert answer.status_code == 401


async def test_another_machine_is_refused_even_with_the_link(shop: Shop) -> None:
    async with client_of(shop, address="192.0.2.7") as client:
        answer = await client.get(shop.guard.link())
    assert (answer.status_code, answer.text) == (403, "Only this machine may open the floor.")


async def test_another_name_of_this_machine_is_refused(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/api/map", headers={"host": f"evil.example:{PORT}"})
    assert (answer.status_code, "another name" in answer.json()["detail"]) == (403, True)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", f"https://127.0.0.1:{PORT}", "http://127.0.0.1:80", ""]
)
async def test_a_page_of_another_origin_is_refused(browser: httpx.AsyncClient, origin: str) -> None:
    answer = await browser.post(PLACE, json={}, headers={**await acting(browser), "origin": origin})
    assert (answer.status_code, "from a page of the floor" in answer.json()["detail"]) == (403, True)


async def test_a_request_without_an_origin_is_refused(browser: httpx.AsyncClient) -> None:
    headers = await acting(browser)
    del headers["origin"]
    assert (await browser.post(PLACE, json={}, headers=headers)).status_code == 403


@pytest.mark.parametrize("token", ["", "wrong", "ü"])
async def test_a_wrong_token_is_refused(browser: httpx.AsyncClient, token: str) -> None:
    headers = [(b"origin", HERE.encode()), (b"x-floor-token", token.encode())]
    answer = await browser.post(PLACE, json={}, headers=headers)
    assert (answer.status_code, "older session" in answer.json()["detail"]) == (403, True)


@pytest.mark.parametrize(
    "path",
    [
        "/api/orders",
        "/api/orders/x/cancel",
        PLACE,
        "/api/dead-letters/discard",
        "/api/parts/kafka/kill",
        "/api/oracle",
        "/api/drill/start",
        "/api/drill/hint",
        "/api/drill/answer",
        "/api/drill/stop",
    ],
)
async def test_an_address_that_acts_cannot_be_reached_by_a_link(
    browser: httpx.AsyncClient, path: str
) -> None:
    assert (await browser.get(path)).status_code in (404, 405)


async def test_the_token_of_another_session_is_refused(shop: Shop, browser: httpx.AsyncClient) -> None:
    async with client_of(shop) as other:
        await other.get(shop.guard.link())
        foreign = (await acting(other))["x-floor-token"]
    answer = await browser.post(PLACE, json={}, headers={"origin": HERE, "x-floor-token": foreign})
    assert answer.status_code == 403


async def test_a_link_leads_to_no_other_host(shop: Shop) -> None:
    token = parse_qs(urlsplit(shop.guard.link()).query)["token"][0]
    async with client_of(shop) as client:
        answer = await client.get(f"{HERE}//evil.example/?token={token}&a=1")
    assert answer.headers["location"] == "/evil.example/?a=1"


@pytest.mark.parametrize("cookie", ["shop_floor", "shop_floor=%00; ;;=", "shop_floor=\xff"])
async def test_a_broken_cookie_is_no_session(shop: Shop, cookie: str) -> None:
    async with client_of(shop) as client:
        answer = await client.get("/", headers=[(b"cookie", cookie.encode("latin-1"))])
    assert answer.status_code == 401
