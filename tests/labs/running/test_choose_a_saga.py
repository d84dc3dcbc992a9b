"""The lab on the orchestrated saga, done command by command: the check passes, and names each step that is left out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shop.labs.pages import find
from shop_stack.target import embedded as target_of
from tests.labs.running.steps import files_of_a_shop
from tests.labs.running.test_labs_of_five_services import Reader
from tests.pages import FollowedPage
from tests.runbooks.drills.shop import Shop

ROOT = Path(__file__).resolve().parents[3]
LAB = find(ROOT, "architectures/choose-a-saga")


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """A reader of the lab, whose shop has the saga of the page."""
    with files_of_a_shop(LAB.shape) as stack:
        monkeypatch.setenv("SHOP_STATE", str(stack.state))
        page = FollowedPage(
            LAB.page.removeprefix("docs/labs/").removesuffix(".md"), (ROOT / LAB.page).read_text()
        )
        yield Reader(Shop(stack, target_of(stack.state)), LAB, page)


async def test_choose_a_saga(reader: Reader) -> None:
    await reader.next()
    await reader.lacks("payments is as it was at the start")
    _, ordered = await reader.next()
    order = ordered.text.split()[0]
    await reader.has_waited(order)
    (why,) = await reader.next(1, 3, order=order)
    assert "Cure:  `shop start payments`" in why.text
    _, watched, _ = await reader.next(order=order)
    assert "order-confirmed" in watched.text
    (compared,) = await reader.next()
    assert "charge-payment" in compared.text
    await reader.next()
    await reader.passes(mutates=False)
