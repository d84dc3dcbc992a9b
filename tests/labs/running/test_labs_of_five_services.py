"""Labs on a shop of five services, done command by command: the check passes, and names each step that is left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shop.labs.pages import Lab, find
from shop_chaos.drills import record
from shop_stack import embedded
from shop_stack.loops import in_own_loop
from shop_stack.stack import Stack
from shop_stack.target import embedded as target_of
from tests.labs.running.steps import SECONDS, do, files_of_a_shop
from tests.pages import FollowedPage
from tests.runbooks.drills.shop import Output, Shop, soon

ROOT = Path(__file__).resolve().parents[3]
CURES = {
    "down": "start {part}",
    "frozen": "resume {part}",
    "slow": "resume {part}",
    "rights": "up",
    "connections": "up",
}
SEED = "7"


@dataclass
class Reader:
    """A reader of one lab, who does its blocks in their order."""

    shop: Shop
    lab: Lab
    page: FollowedPage
    done: int = 0
    said: list[Output] = field(default_factory=list)

    async def next(self, *codes: int, **fill: str) -> list[Output]:
        """Do the next block. Its commands end with 0, or with one of the codes."""
        values = {f"<{name}>": value for name, value in fill.items()}
        outputs = await do(self.shop, self.page, self.done, values, (0, *codes))
        self.done += 1
        return outputs

    async def lacks(self, sentence: str) -> None:
        """Hold that the check names what is missing, at once or when the shop has done its work."""

        async def is_named() -> None:
            output = await self.check()
            assert (output.code, sentence in output.text) == (1, True), output

        await soon(is_named, 60)

    async def has_waited(self, order: str) -> None:
        """Return 15 s after an order was placed."""

        async def is_old() -> None:
            age = "SELECT extract(epoch FROM now() - placed_at) > 15 FROM orders WHERE id = '{}'"
            assert await self.shop.sql("orders", age.format(order))

        await soon(is_old, 60)

    async def check(self) -> Output:
        return await self.shop.bash(f".venv/bin/shop lab check {self.lab.name}", SECONDS)

    async def passes(self, *, mutates: bool) -> None:
        """Do the last blocks: the check, the mutant, the end."""
        (output,) = await self.next()
        assert output.text.strip() == f"{self.lab.name} is done."
        if mutates:
            (output,) = await self.next()
            assert "caught" in output.text
        await self.next()
        assert self.page.left_out == []


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The files of a shop that the pages start and stop."""
    with files_of_a_shop() as made:
        yield made


@pytest.fixture
def reader(request: pytest.FixtureRequest, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """A reader of the lab that the test names, whose shop runs."""
    monkeypatch.setenv("SHOP_STATE", str(stack.state))
    lab = find(ROOT, request.param)
    in_own_loop(embedded.up(stack))
    page = FollowedPage(lab.name, (ROOT / lab.page).read_text())
    return Reader(Shop(stack, target_of(stack.state)), lab, page)


@pytest.mark.parametrize("reader", ["chaos/a-duplicate-and-a-replay"], indirect=True)
async def test_a_duplicate_and_a_replay(reader: Reader) -> None:
    assert "was not started: `shop lab start" in (await reader.check()).text
    await reader.next()
    await reader.lacks("0 orders were placed since the start, and the lab needs 2")
    await reader.next()
    await reader.lacks("no order-placed was sent twice since the start")
    await reader.next()
    await reader.lacks("no payment-captured was sent twice since the start")
    await reader.next()

    async def are_dropped() -> None:
        texts = [output.text for output in await do(reader.shop, reader.page, reader.done)]
        assert ['outcome="duplicate"' in text for text in texts] == [True, True], texts

    await soon(are_dropped, 60)
    reader.done += 1
    await reader.next()
    await reader.passes(mutates=True)


@pytest.mark.parametrize("reader", ["chaos/a-poisoned-message"], indirect=True)
async def test_a_poisoned_message(reader: Reader) -> None:
    await reader.next()
    await reader.lacks("orders has given up on no message yet")
    await reader.next()
    await reader.lacks("0 orders were placed since the start")
    await reader.next()
    await reader.lacks("orders has 2 open dead letters")
    (listed,) = await reader.next()
    assert (listed.text.count("HELD"), listed.text.count("WAITING")) == (2, 2), listed
    await reader.next()
    await reader.next()
    await reader.passes(mutates=True)


@pytest.mark.parametrize("reader", ["chaos/a-frozen-service"], indirect=True)
async def test_a_frozen_service(reader: Reader) -> None:
    await reader.next()
    await reader.lacks("0 orders were placed since the start")
    _, ordered = await reader.next()
    order = ordered.text.split()[0]
    await reader.lacks("no order took 12 s to end")

    await reader.has_waited(order)
    status, why = await reader.next(1, 3, order=order)
    assert "payments is frozen by hand" in status.text
    assert "Cure:  `shop resume payments`" in why.text
    await reader.next(order=order)
    await reader.next()
    await reader.next()
    await reader.passes(mutates=True)


@pytest.mark.parametrize("reader", ["chaos/a-frozen-service"], indirect=True)
async def test_a_service_that_was_restarted_was_not_frozen(reader: Reader) -> None:
    await reader.next()
    await reader.shop.bash(".venv/bin/shop restart payments", SECONDS)
    await reader.lacks("payments is not the process that ran at the start")


@pytest.mark.parametrize("reader", ["chaos/a-vacuous-experiment"], indirect=True)
async def test_a_vacuous_experiment(reader: Reader) -> None:
    await reader.next()
    await reader.next()
    await reader.lacks("the report first is not there, and the lab needs vacuous")
    (first,) = await reader.next(1)
    assert (first.code, "vacuous" in first.text, "refusals in its log" in first.text) == (1, True, True)
    await reader.next()
    await reader.lacks("the report second is not there, and the lab needs holds")
    _, second = await reader.next()
    assert "holds" in second.text
    await reader.passes(mutates=False)


@pytest.mark.parametrize("reader", ["chaos/a-blind-drill"], indirect=True)
async def test_a_blind_drill(reader: Reader) -> None:
    await reader.next()
    await reader.lacks("the verdict of the drill is not there")
    # The page leaves the fault to chance; the test needs the same one each time.
    begin = {"drill start": f"drill start --seed {SEED}"}
    await do(reader.shop, reader.page, reader.done, begin)
    reader.done += 1
    fault = record.require().fault

    async def has_bitten() -> None:
        assert record.read_watched().bit

    await soon(has_bitten, 60)
    await reader.next(1, 3, 4)
    early = await reader.shop.bash(
        f".venv/bin/shop drill answer --part {fault.part} --cause {fault.cause}", SECONDS
    )
    assert "Verdict: not cured." in early.text
    await reader.lacks("the verdict of the drill is 'not cured'")
    await reader.next(cure=CURES[fault.cause].format(part=fault.part))
    (answered,) = await reader.next(part=fault.part, cause=fault.cause)
    assert "Verdict: cured." in answered.text
    await reader.passes(mutates=False)


@pytest.mark.parametrize("reader", ["architectures/read-a-partition"], indirect=True)
async def test_a_partition(reader: Reader) -> None:
    await reader.next()
    await reader.lacks("no order took 15 s to end")
    _, _, ordered = await reader.next()
    order = ordered.text.split()[0]
    await reader.has_waited(order)
    status, why = await reader.next(1, 3, order=order)
    assert "kafka is frozen by hand" in status.text
    assert "Cure:  `shop resume kafka`" in why.text
    await reader.next(order=order)
    await reader.lacks("postgres is as it was at the start")
    _, refused, _ = await reader.next(order=order)
    assert "503" in refused.text
    await reader.lacks("2 orders were placed since the start, and the lab needs 4")
    await reader.next()
    await reader.next()
    await reader.passes(mutates=False)
