"""One shop for the drills of each file, and each page with the commands that follow it."""

from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from shop_stack import embedded
from shop_stack.loops import in_own_loop
from shop_stack.parts import create_users
from shop_stack.rights import LAB
from testkit import shops
from tests.runbooks.drills.shop import SKU, Output, Shop, soon
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


@pytest.fixture(scope="module")
def running_shop() -> Iterator[Shop]:
    """A whole shop, started once for the drills of a file.

    A drill may leave effects that `shop check` cannot forget. One forges events that no service has in an outbox.
    Another deletes Kafka's data and sends all events of the outboxes again, so those effects would have no cause.
    """
    with shops.running_shop("runbooks") as (stack, target):
        yield Shop(stack, target)


@pytest_asyncio.fixture
async def shop(running_shop: Shop) -> Shop:
    """The shop with a product on sale and every part ready. What an earlier drill stopped is started again."""
    for service in list(running_shop.altered):
        await running_shop.restart(service)
    in_own_loop(embedded.up(running_shop.stack))
    in_own_loop(create_users(running_shop.stack, [LAB]))
    await running_shop.is_ready(seconds=90)
    body = {
        "sku": SKU,
        "name": "Mug",
        "price": {"amount_minor": 1290, "currency": "EUR"},
        "on_hand": 1_000_000,
    }
    await running_shop.ask("inventory", "POST", "/products", json=body)

    async def is_priced() -> None:
        listed = (await running_shop.get("orders", "/prices"))["prices"]
        assert SKU in {price["sku"] for price in listed}

    await soon(is_priced, 30)
    return running_shop


@pytest_asyncio.fixture
async def runbook(request: pytest.FixtureRequest, shop: Shop) -> AsyncIterator[Runbook]:
    """The page that the test's mark names. At the end, each of its commands must have been run."""
    mark = request.node.get_closest_marker("runbook")
    assert mark is not None, "name the page: @pytest.mark.runbook(...)"
    page = Page.read(mark.args[0])
    yield Runbook(page, shop)
    if request.node.stash.get(PASSED, False):
        assert page.left_out == [], f"the drill of {page.name}.md left out commands"
