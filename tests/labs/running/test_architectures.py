"""The labs of architectures, done command by command: the check passes, and names each step that is left out."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shop.labs.pages import Lab, find
from shop_stack.stack import Stack
from shop_stack.target import embedded as target_of
from tests.labs.running.steps import SECONDS, do, files_of_a_shop
from tests.pages import FollowedPage
from tests.runbooks.drills.shop import Output, Shop, soon

ROOT = Path(__file__).resolve().parents[3]
KILLED = {
    "architectures/run-the-monolith": "monolith",
    "architectures/divide-it-in-pairs": "payments+notifications",
}
"""Lab → the process that its reader kills."""
ORDER = "<order>"
BEGIN, SEND, KILL, LOOK, JUDGE, CHECK, END = range(7)
"""The blocks of each page."""


@dataclass(frozen=True)
class Reader:
    """Somebody who follows a page."""

    lab: Lab
    page: FollowedPage
    shop: Shop

    @property
    def killed(self) -> str:
        return KILLED[self.lab.name]

    async def check(self) -> Output:
        return await self.shop.bash(f".venv/bin/shop lab check {self.lab.name}", SECONDS)

    async def lacks(self, what: str) -> None:
        """Hold that the check names what is missing."""
        said = await self.check()
        assert (said.code, f"shop: {self.lab.name} is not done: {what}" in said.text) == (1, True), said

    async def kill(self) -> None:
        """Do the block that kills the process and starts it again."""
        pid = self.shop.stack.daemon(self.killed).pid
        await do(self.shop, self.page, KILL, {f"<pid of {self.killed}>": str(pid)})

    async def orders(self) -> int:
        """The number of orders that were placed."""
        unit = self.lab.shape.unit_of("orders")
        async with self.shop.stack.server.connected(unit) as connection:
            return int(await connection.fetchval("SELECT count(*) FROM orders.orders"))


@pytest.fixture(scope="module", params=KILLED)
def followed(request: pytest.FixtureRequest) -> Iterator[tuple[Lab, FollowedPage, Stack]]:
    """A lab, its page, and the files of a shop that the page starts."""
    lab = find(ROOT, request.param)
    page = FollowedPage(
        lab.page.removeprefix("docs/labs/").removesuffix(".md"), (ROOT / lab.page).read_text()
    )
    with files_of_a_shop(lab.shape) as made:
        yield lab, page, made


@pytest.fixture
def reader(followed: tuple[Lab, FollowedPage, Stack], monkeypatch: pytest.MonkeyPatch) -> Reader:
    lab, page, stack = followed
    monkeypatch.setenv("SHOP_STATE", str(stack.state))
    return Reader(lab, page, Shop(stack, target_of(stack.state)))


async def test_each_step_that_is_left_out_is_named(reader: Reader) -> None:
    await do(reader.shop, reader.page, BEGIN)
    await reader.lacks(f"{reader.killed} is as it was at the start")
    await reader.kill()
    await reader.lacks("0 orders were placed since the start, and the lab needs 300")
    await do(reader.shop, reader.page, SEND)
    await reader.lacks(f"no order waited while {reader.killed} was away")


async def test_a_lab_done_as_it_is_written_passes(reader: Reader) -> None:
    await do(reader.shop, reader.page, BEGIN)
    before = await reader.orders()
    sending = asyncio.create_task(do(reader.shop, reader.page, SEND))

    async def has_moved_a_little() -> None:
        assert sending.done() or await reader.orders() > before + 30

    await soon(has_moved_a_little, 120)
    await reader.kill()
    await sending
    ordered = await reader.shop.bash(".venv/bin/shop order", SECONDS)
    _, _, watched = await do(reader.shop, reader.page, LOOK, {ORDER: ordered.text.split()[0]})
    assert "order-confirmed" in watched.text
    await do(reader.shop, reader.page, JUDGE)
    (done,) = await do(reader.shop, reader.page, CHECK)
    assert done.text.strip() == f"{reader.lab.name} is done."
    await do(reader.shop, reader.page, END)
    assert reader.page.left_out == []
