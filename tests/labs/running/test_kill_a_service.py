"""The first lab, done command by command: the check passes, and names each step that is left out."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shop_stack.stack import Stack
from shop_stack.target import embedded as target_of
from tests.labs.running.steps import SECONDS, do, files_of_a_shop
from tests.pages import FollowedPage
from tests.runbooks.drills.shop import Output, Shop, soon

ROOT = Path(__file__).resolve().parents[3]
PID = "<pid of payments>"
BEGIN, SEND, KILL, START_AGAIN, LOOK, COUNT, JUDGE, CHECK, END = range(9)
"""The blocks of the page."""
NOT_DONE = "shop: kill-a-service is not done: "


@pytest.fixture(scope="module")
def page() -> FollowedPage:
    return FollowedPage("01-kill-a-service", (ROOT / "docs/labs/01-kill-a-service.md").read_text())


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The files of a shop that the page starts."""
    with files_of_a_shop() as made:
        yield made


@pytest.fixture
def shop(stack: Stack) -> Shop:
    return Shop(stack, target_of(stack.state))


async def check(shop: Shop) -> Output:
    return await shop.bash(".venv/bin/shop lab check kill-a-service", SECONDS)


async def kill(shop: Shop, page: FollowedPage) -> None:
    await do(shop, page, KILL, {PID: str(shop.stack.daemon("payments").pid)})


async def orders_in(shop: Shop) -> int:
    return int(await shop.sql("orders", "SELECT count(*) FROM orders"))


async def test_each_step_that_is_left_out_is_named(shop: Shop, page: FollowedPage) -> None:
    assert "was not started: `shop lab start kill-a-service`" in (await check(shop)).text
    await do(shop, page, BEGIN)
    untouched = await check(shop)
    assert (untouched.code, untouched.text.strip()) == (
        1,
        f"{NOT_DONE}payments is as it was at the start: follow the steps under *Do*.",
    )
    await kill(shop, page)
    assert f"{NOT_DONE}payments does not run: start it again" in (await check(shop)).text
    await do(shop, page, START_AGAIN)
    assert (
        f"{NOT_DONE}0 orders were placed since the start, and the lab needs 2000" in (await check(shop)).text
    )
    await do(shop, page, SEND)
    quiet = await check(shop)
    assert f"{NOT_DONE}no order waited while payments was away" in quiet.text, quiet.text
    assert quiet.code == 1


async def test_the_lab_done_as_it_is_written_passes(shop: Shop, page: FollowedPage) -> None:
    await do(shop, page, BEGIN)
    before = await orders_in(shop)
    sending = asyncio.create_task(do(shop, page, SEND))

    async def has_moved_a_little() -> None:
        assert sending.done() or await orders_in(shop) > before + 200

    await soon(has_moved_a_little, 120)
    await kill(shop, page)
    await do(shop, page, LOOK)
    await do(shop, page, START_AGAIN)
    await do(shop, page, COUNT)
    # Its exit code, which is 0, is the oracle's verdict.
    await sending
    await do(shop, page, JUDGE)
    (done,) = await do(shop, page, CHECK)
    assert done.text.strip() == "kill-a-service is done."
    listed = json.loads((await shop.bash(".venv/bin/shop lab list --json")).text)
    assert [lab["name"] for lab in listed if lab["passed"]] == ["kill-a-service"]
    await do(shop, page, END)
    assert page.left_out == []
