"""The lab of the monolith, done command by command: the check passes, and names each step that is left out."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from shop_stack.shapes import MONOLITH, Shape
from shop_stack.stack import Stack
from shop_stack.target import embedded as target_of
from tests.labs.running.steps import SECONDS, do, files_of_a_shop
from tests.pages import FollowedPage
from tests.runbooks.drills.shop import Output, Shop, soon

ROOT = Path(__file__).resolve().parents[3]
PID, ORDER = "<pid of monolith>", "<order>"
BEGIN, SEND, KILL, LOOK, JUDGE, CHECK, END = range(7)
"""The blocks of the page."""
NOT_DONE = "shop: architectures/run-the-monolith is not done: "


@pytest.fixture(scope="module")
def page() -> FollowedPage:
    text = (ROOT / "docs/labs/architectures/1-run-the-monolith.md").read_text()
    return FollowedPage("architectures/1-run-the-monolith", text)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The files of a monolith that the page starts."""
    with files_of_a_shop(Shape.parse(MONOLITH)) as made:
        yield made


@pytest.fixture
def shop(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("SHOP_STATE", str(stack.state))
    return Shop(stack, target_of(stack.state))


async def check(shop: Shop) -> Output:
    return await shop.bash(".venv/bin/shop lab check architectures/run-the-monolith", SECONDS)


async def kill(shop: Shop, page: FollowedPage) -> None:
    """Do the block that kills the monolith and starts it again."""
    await do(shop, page, KILL, {PID: str(shop.stack.daemon(MONOLITH).pid)})


async def test_each_step_that_is_left_out_is_named(shop: Shop, page: FollowedPage) -> None:
    await do(shop, page, BEGIN)
    untouched = await check(shop)
    assert untouched.code == 1
    assert f"{NOT_DONE}monolith is as it was at the start" in untouched.text
    await kill(shop, page)
    assert (
        f"{NOT_DONE}0 orders were placed since the start, and the lab needs 300" in (await check(shop)).text
    )
    await do(shop, page, SEND)
    assert f"{NOT_DONE}no order waited while monolith was away" in (await check(shop)).text


async def test_the_lab_done_as_it_is_written_passes(shop: Shop, page: FollowedPage) -> None:
    await do(shop, page, BEGIN)
    before = await orders_in(shop)
    sending = asyncio.create_task(do(shop, page, SEND))

    async def has_moved_a_little() -> None:
        assert sending.done() or await orders_in(shop) > before + 30

    await soon(has_moved_a_little, 120)
    await kill(shop, page)
    await sending
    ordered = await shop.bash(".venv/bin/shop order", SECONDS)
    _, _, watched = await do(shop, page, LOOK, {ORDER: ordered.text.split()[0]})
    assert "order-confirmed" in watched.text
    await do(shop, page, JUDGE)
    (done,) = await do(shop, page, CHECK)
    assert done.text.strip() == "architectures/run-the-monolith is done."
    await do(shop, page, END)
    assert page.left_out == []


async def orders_in(shop: Shop) -> int:
    async with shop.stack.server.connected(MONOLITH) as connection:
        return int(await connection.fetchval("SELECT count(*) FROM orders.orders"))
