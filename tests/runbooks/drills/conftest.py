"""One shop for all drills, and each page with the commands that follow it."""

from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from shop_stack import monitoring
from shop_stack.loops import in_own_loop
from testkit.shops import running_shop
from tests.runbooks.drills.shop import Output, Shop
from tests.runbooks.pages import Page


@dataclass(frozen=True)
class Runbook:
    """A page, followed on a shop."""

    page: Page
    shop: Shop

    @property
    def blocks(self) -> list[str]:
        return self.page.blocks

    def says(self, *statements: str) -> None:
        """Hold that the page says so."""
        self.page.says(*statements)

    async def run(
        self, block: str, fill: Mapping[str, str] | None = None, seconds: float = 150.0
    ) -> list[Output]:
        """Run a block's commands as they are printed; `fill` has the values of placeholders.

        Returns what each command did. Commands of a page that are pipes end with the code of the last.
        """
        outputs = []
        commands = self.page.follow(block)
        for placeholder in fill or {}:
            assert any(placeholder in command for command in commands), (
                f"{placeholder} is in no command: {block}"
            )
        for command in commands:
            filled = self.shop.printed_here(command)
            for placeholder, value in (fill or {}).items():
                filled = filled.replace(placeholder, value)
            outputs.append(await self.shop.bash(filled, seconds))
        return outputs

    async def run_one(
        self, block: str, fill: Mapping[str, str] | None = None, seconds: float = 150.0
    ) -> Output:
        """Run a block that has one command, which must succeed."""
        (output,) = await self.run(block, fill, seconds)
        assert output.code == 0, output
        return output


class Shops:
    """One shop after the other: a drill that fails may leave its shop broken."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._shop: Shop | None = None

    def running(self) -> Shop:
        """The shop that runs. It is started if there is none."""
        if self._shop is None:
            stack, target = self._open.enter_context(running_shop("runbooks"))
            # Drills of alerts start Prometheus beside it.
            self._open.callback(lambda: in_own_loop(monitoring.stop(stack)))
            self._shop = Shop(stack, target)
        return self._shop

    def close(self) -> None:
        """Stop the shop and delete its data."""
        self._shop = None
        self._open.close()


PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Remember whether a drill has passed, for the fixture that ends after it."""
    report = yield
    if call.when == "call":
        item.stash[PASSED] = report.passed
    return report


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "runbook(name): the page of docs/runbooks that this drill follows")
    config.addinivalue_line(
        "markers", "own_shop(reason): this drill gets a new shop, which no other drill uses"
    )


@pytest.fixture(scope="session")
def shops() -> Iterator[Shops]:
    """The shop of this run."""
    shops = Shops()
    yield shops
    shops.close()


@pytest_asyncio.fixture
async def shop(request: pytest.FixtureRequest, shops: Shops) -> AsyncIterator[Shop]:
    """A shop with a product on sale, every part ready and nothing to complain about.

    A drill leaves it so: it is held after each drill that has passed. After any other the next drill gets a new shop.
    """
    needs_own = request.node.get_closest_marker("own_shop") is not None
    if needs_own:
        shops.close()
    shop = shops.running()
    await shop.sells_a_product()
    yield shop
    if needs_own or not request.node.stash.get(PASSED, False):
        shops.close()
        return
    try:
        await shop.is_whole()
    except BaseException:
        shops.close()
        raise


@pytest_asyncio.fixture
async def runbook(request: pytest.FixtureRequest, shop: Shop) -> AsyncIterator[Runbook]:
    """The page that the test's mark names. At the end, each of its commands must have been run."""
    mark = request.node.get_closest_marker("runbook")
    assert mark is not None, "name the page: @pytest.mark.runbook(...)"
    page = Page.read(mark.args[0])
    yield Runbook(page, shop)
    if request.node.stash.get(PASSED, False):
        assert page.left_out == [], f"the drill of {page.name}.md left out commands"
