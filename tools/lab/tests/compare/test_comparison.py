"""The shapes run in turn, one at a time, and a run counts only if it ends and the oracle finds nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shop_lab.compare import blast, partition
from shop_lab.compare import run as running
from shop_lab.compare.measuring import Measured
from shop_lab.compare.plan import QUICK, planned
from shop_lab.compare.run import Comparison, stack_of
from shop_lab.compare.window import Window
from shop_lab.testbed import Testbed
from shop_oracle.evidence import Evidence
from shop_oracle.report import Verdict
from shop_stack import embedded
from shop_stack.errors import UserError
from shop_stack.stack import Stack

GREEN, RED = Verdict([], []), Verdict([], ["3 orders PENDING"])


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happens to which shape. Nothing is really started; the oracle finds nothing."""
    found: list[str] = []

    def note(what: str, stack: Stack) -> None:
        found.append(f"{what} {stack.state.name.removeprefix('compare-')}")

    @asynccontextmanager
    async def fresh(stack: Stack, _: Any) -> AsyncIterator[Testbed]:
        note("fresh", stack)
        yield Testbed(stack, None)  # type: ignore[arg-type]  # nothing reads it
        note("removed", stack)

    async def up(stack: Stack) -> None:
        note("up", stack)

    async def down(stack: Stack) -> None:
        note("down", stack)

    async def measure(testbed: Testbed, *_: Any) -> Measured:
        note("measure", testbed.stack)
        return Measured({"start_seconds": 2.0})

    async def strike_all(testbed: Testbed, *_: Any) -> list[Window]:
        note("strike", testbed.stack)
        return []

    async def cut_all(testbed: Testbed, *_: Any) -> list[Window]:
        note("cut", testbed.stack)
        return []

    async def gather(*_: Any) -> Evidence:
        return Evidence()

    monkeypatch.setattr(running, "fresh", fresh)
    monkeypatch.setattr(embedded, "up", up)
    monkeypatch.setattr(embedded, "down", down)
    monkeypatch.setattr(running, "measure", measure)
    monkeypatch.setattr(blast, "strike_all", strike_all)
    monkeypatch.setattr(partition, "cut_all", cut_all)
    monkeypatch.setattr(running, "gather", gather)
    monkeypatch.setattr(running, "judge", lambda _: GREEN)
    return found


async def carried_out(figures: list[str], done: list[None], rounds: int = 1) -> Any:
    plan = planned(["monolith", "services"], figures, QUICK, rounds)
    report = await Comparison(plan, lambda _: None, lambda: done.append(None)).carry_out()
    assert len(done) == plan.steps
    return report


async def test_every_second_round_is_backwards_and_one_shape_runs_at_a_time(seen: list[str]) -> None:
    report = await carried_out(["start"], [], rounds=2)
    turns = ["monolith", "services", "services", "monolith"]
    assert seen == [
        *("fresh monolith", "down monolith", "fresh services", "down services"),
        *(f"{what} {shape}" for shape in turns for what in ("measure", "down")),
        *("removed services", "removed monolith"),
    ]
    assert report.holds


async def test_what_breaks_a_shape_comes_after_the_rounds(seen: list[str]) -> None:
    await carried_out(["start", "partition", "blast"], [])
    assert [what for what in seen if what.split()[0] in ("measure", "strike", "cut")] == [
        "measure monolith",
        "measure services",
        "strike monolith",
        "strike services",
        "cut monolith",
        "cut services",
    ]


@pytest.mark.usefixtures("seen")
async def test_no_value_counts_if_the_oracle_finds_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "judge", lambda _: RED)
    facts = (await carried_out(["start"], [])).as_json()
    assert facts["values"]["start_seconds"]["shapes"] == {}
    assert (
        facts["missing"][0] == "monolith, round 1 does not count: the oracle: not at rest: 3 orders PENDING"
    )
    assert facts["holds"] is False


async def test_a_run_that_fails_takes_no_other_with_it(
    seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measure: Callable[..., Awaitable[Measured]] = vars(running)["measure"]  # that of `seen`

    async def stuck(testbed: Testbed, *more: Any) -> Measured:
        if testbed.stack.state.name.endswith("monolith"):
            raise UserError("Only 3 of 9 orders ended.")
        return await measure(testbed, *more)

    monkeypatch.setattr(running, "measure", stuck)
    facts = (await carried_out(["start"], [])).as_json()
    assert facts["missing"] == ["monolith, round 1 does not count: Only 3 of 9 orders ended."]
    assert list(facts["values"]["start_seconds"]["shapes"]) == ["services"]
    assert seen.count("down monolith") == 2


def test_each_shape_has_a_folder_of_its_own_and_the_same_ports() -> None:
    stacks = [stack_of(shape) for shape in ("monolith", "services")]
    assert len({stack.state for stack in stacks}) == 2
    assert len({stack.ports.base for stack in stacks}) == 1
    assert [stack.shape.has_kafka for stack in stacks] == [False, True]
