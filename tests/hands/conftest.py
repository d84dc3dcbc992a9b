"""One shop for the commands that testers use by hand. Each test leaves it whole."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from shop_stack import hands
from testkit.shops import running_shop
from tests.runbooks.drills.faults import discard_all
from tests.runbooks.drills.shop import Shop


@pytest.fixture(scope="package")
def running() -> Iterator[Shop]:
    """The shop. It stops after the last test of this folder."""
    with running_shop("hands") as (stack, target):
        yield Shop(stack, target)


@pytest_asyncio.fixture
async def shop(running: Shop) -> AsyncIterator[Shop]:
    """The shop with a product on sale and every part ready. What a test has stopped is started again."""
    await running.sells_a_product()
    yield running
    for part in running.stack.parts:
        await hands.resume(running.stack, part)
        await running.start(part)
    await running.is_ready(seconds=90)
    await discard_all(running)
