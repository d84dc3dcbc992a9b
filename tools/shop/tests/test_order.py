"""`shop order`: an order of one's own, and a clear sentence for each mistake."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from aiohttp import web
from typer.testing import CliRunner

from shop.cli import app
from shop.commands import order
from shop.commands.order import Wish, line_of, place_wish, wish_of
from shop_observe.history import read_histories
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.target import Target


class Orders:
    """Takes every order, or refuses it with the problem that it was given."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.problem: dict[str, Any] | None = None
        self.known: tuple[str, ...] = ()
        """The SKUs that it has a price for."""
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        if self.problem is not None:
            return web.json_response(self.problem, status=422)
        return web.json_response({"order_id": "o-1"}, status=202)

    async def prices(self, _: web.Request) -> web.Response:
        return web.json_response({"prices": [{"sku": sku} for sku in self.known], "next_cursor": None})

    def target(self, state: Path) -> Target:
        return Target(
            "test",
            dict.fromkeys(("orders", "inventory"), self.url),
            {},
            "",
            KafkaAccess(""),
            {},
            state,
            state,
            state,
        )


@pytest.fixture
async def orders() -> AsyncIterator[Orders]:
    orders = Orders()
    application = web.Application()
    application.router.add_post("/orders", orders.answer)
    application.router.add_get("/prices", orders.prices)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    orders.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield orders
    await runner.cleanup()


def wish(**changed: Any) -> Wish:
    return Wish(**{"lines": (("own", 2),), "customer": "c-1", "currency": "USD", "token": "tok_ok"} | changed)


async def test_an_order_has_the_lines_customer_currency_and_token_of_the_options(
    orders: Orders, tmp_path: Path
) -> None:
    asked = wish_of(["own:2", "other:1"], "c-grace", "tok_slow", "USD")
    assert asked.customer == "c-grace"
    assert await place_wish(orders.target(tmp_path), asked) == "o-1"
    assert orders.bodies == [
        {
            "lines": [{"sku": "own", "quantity": 2}, {"sku": "other", "quantity": 1}],
            "currency": "USD",
            "payment_token": "tok_slow",
        }
    ]


async def test_the_oracle_can_read_that_the_order_was_acknowledged(orders: Orders, tmp_path: Path) -> None:
    await place_wish(orders.target(tmp_path), wish())
    (request,) = read_histories(tmp_path / "history")
    assert (request.operation, request.status, request.order_id) == ("place-order", 202, "o-1")
    assert "tok_ok" not in "".join(file.read_text() for file in (tmp_path / "history").iterdir())


def test_without_a_token_each_order_has_a_new_one_that_pays_once() -> None:
    first, second = (wish_of([], None, None, None).token for _ in range(2))
    assert first.startswith("tok_ok_")
    assert first != second


def test_without_a_line_an_order_is_for_one_piece_of_the_first_product() -> None:
    assert wish_of([], "c-1", "tok_ok", None).body == {
        "lines": [{"sku": "mug-blue", "quantity": 1}],
        "currency": "EUR",
        "payment_token": "tok_ok",
    }


@pytest.mark.parametrize(
    ("slug", "cure"),
    [
        ("unknown-sku", "shop catalogue"),
        ("currency-not-offered", "--currency"),
        ("duplicate-sku", "one --line"),
        ("total-too-large", "too much"),
    ],
)
async def test_a_refusal_has_the_services_reason_and_the_cure(
    orders: Orders, tmp_path: Path, slug: str, cure: str
) -> None:
    orders.problem = {"type": f"urn:shopfloor:problem:{slug}", "detail": "That is too much."}
    with pytest.raises(UserError, match="That is too much") as refusal:
        await place_wish(orders.target(tmp_path), wish())
    assert cure in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mug-blue", "write it as SKU:QUANTITY"),
        ("mug-blue:", "write it as SKU:QUANTITY"),
        (":2", "write it as SKU:QUANTITY"),
        ("mug-blue:two", "write it as SKU:QUANTITY"),
        ("mug-blue:-1", "write it as SKU:QUANTITY"),
        ("mug-blue:1.5", "write it as SKU:QUANTITY"),
        ("mug blue:1", "write it as SKU:QUANTITY"),
        ("mug-blue:٣", "write it as SKU:QUANTITY"),
        ("mug-blue:0", "the quantity is at least 1"),
    ],
)
def test_a_line_that_is_none_is_refused_before_anything_is_asked(text: str, says: str) -> None:
    with pytest.raises(typer.BadParameter, match=says):
        line_of(text)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--customer", " "), "--customer is empty"),
        (("--token", ""), "--token is empty"),
        (("--currency", ""), "--currency is empty"),
        (("--line", "mug-blue:1", "--outcome", "declined"), "give either --outcome or the others"),
        (("--outcome", "lost"), "lost"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(app, ["order", *options], env={"COLUMNS": "200", "SHOP_TARGET": "embedded"})
    assert result.exit_code == 2
    assert says in result.output


@pytest.mark.parametrize(
    ("sku", "known", "times"), [("mug-blue", (), 1), ("mug-blue", ("mug-blue",), 0), ("own", (), 0)]
)
async def test_an_order_makes_sure_of_the_catalogue_if_orders_does_not_know_the_product(
    orders: Orders,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sku: str,
    known: tuple[str, ...],
    times: int,
) -> None:
    orders.known = known
    made_sure: list[Target] = []

    async def ensure(target: Target) -> None:
        made_sure.append(target)

    monkeypatch.setattr(order, "ensure_catalogue", ensure)
    await place_wish(orders.target(tmp_path), wish(lines=((sku, 1),)))
    assert len(made_sure) == times


def test_every_line_of_the_command_is_ordered_and_the_id_stands_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wishes: list[Wish] = []

    async def placed(_: Target, wished: Wish) -> str:
        wishes.append(wished)
        return "o-1"

    @contextmanager
    def connect() -> Iterator[None]:
        yield None

    monkeypatch.setattr(order, "connect", connect)
    monkeypatch.setattr(order, "place_wish", placed)
    lines = ["--line", "mug-blue:2", "--line", "tea-assam:1"]
    result = CliRunner().invoke(app, ["order", *lines], env={"SHOP_TARGET": "embedded"})
    assert [one.lines for one in wishes] == [(("mug-blue", 2), ("tea-assam", 1))]
    assert result.stdout == "o-1\n"
