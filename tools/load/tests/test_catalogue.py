"""The catalogue of a fresh shop: complete after the first call, and left alone by the second."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shop_load import catalogue
from shop_load.catalogue import CATALOGUE, Offer, ensure_catalogue
from shop_load.client import LoadFailed
from shop_observe.history import Request, read_histories
from shop_stack.target import Target


class Shop:
    """Inventory's products in memory, and the price list of orders, which may stay empty."""

    def __init__(self) -> None:
        self.products: dict[str, dict[str, Any]] = {}
        self.prices_arrive = True
        self.url = ""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/products", self._list)
        app.router.add_get("/products/{sku}", self._read)
        app.router.add_get("/prices", self._prices)
        return app

    def target(self, state: Path) -> Target:
        return Target(
            "test", {"orders": self.url, "inventory": self.url}, {}, "", "", {}, state, state, state
        )

    async def _list(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.products[body["sku"]] = body | {"available": body["on_hand"]}
        return web.json_response(body, status=201)

    async def _read(self, request: web.Request) -> web.Response:
        product = self.products.get(request.match_info["sku"])
        return web.json_response(product or {}, status=404 if product is None else 200)

    async def _prices(self, request: web.Request) -> web.Response:
        skus = self.products if self.prices_arrive else ()
        return web.json_response({"prices": [{"sku": sku} for sku in skus], "next_cursor": None})


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    shop = Shop()
    runner = web.AppRunner(shop.app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    shop.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield shop
    await runner.cleanup()


def listings(state: Path) -> list[Request]:
    return [one for one in read_histories(state / "history") if one.operation == "list-product"]


def test_the_catalogue_has_two_currencies_and_a_product_that_sells_out() -> None:
    assert {product.currency for product in CATALOGUE} == {"EUR", "USD"}
    assert min(product.on_hand for product in CATALOGUE) < 10


async def test_a_fresh_shop_gets_every_product_and_the_history_says_so(shop: Shop, tmp_path: Path) -> None:
    offers = await ensure_catalogue(shop.target(tmp_path))
    assert offers == [Offer(p.sku, p.name, p.price_minor, p.currency, p.on_hand) for p in CATALOGUE]
    told = {(one.subject, one.quantity, one.status) for one in listings(tmp_path)}
    assert told == {(product.sku, product.on_hand, 201) for product in CATALOGUE}


async def test_a_product_that_is_listed_keeps_its_price_and_its_stock(shop: Shop, tmp_path: Path) -> None:
    await ensure_catalogue(shop.target(tmp_path))
    shop.products["mug-blue"] |= {"available": 7, "price": {"amount_minor": 1, "currency": "EUR"}}
    del shop.products["tea-assam"]
    offers = {offer.sku: offer for offer in await ensure_catalogue(shop.target(tmp_path))}
    assert (offers["mug-blue"].available, offers["mug-blue"].amount_minor) == (7, 1)
    assert [one.subject for one in listings(tmp_path)].count("tea-assam") == 2
    assert len(listings(tmp_path)) == len(CATALOGUE) + 1


async def test_a_shop_that_has_the_catalogue_gets_no_further_history(shop: Shop, tmp_path: Path) -> None:
    await ensure_catalogue(shop.target(tmp_path))
    before = sorted((tmp_path / "history").iterdir())
    await ensure_catalogue(shop.target(tmp_path))
    assert sorted((tmp_path / "history").iterdir()) == before


async def test_prices_that_do_not_arrive_are_told(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.prices_arrive = False
    monkeypatch.setattr(catalogue, "PATIENCE", 0.0)
    with pytest.raises(LoadFailed, match="orders has not received their prices"):
        await ensure_catalogue(shop.target(tmp_path))
