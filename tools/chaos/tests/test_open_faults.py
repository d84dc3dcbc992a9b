"""A fault is on disk before it is injected, and `shop chaos rollback` undoes what a killed runner has left."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shop_chaos import activities, injectors, open_faults, rollback, run_record, runner, runner_lock, system
from shop_chaos.injectors import Injector
from shop_chaos.system import System
from shop_stack import embedded
from shop_stack.errors import UserError
from shop_stack.stack_files import write_facts
from shop_stack.target import embedded as target_of

DONE: list[str] = []


@dataclass
class Noted(Injector):
    """Writes down what is done with it. `breaks` is what fails."""

    part: str
    breaks: str = ""

    async def before(self, on: System) -> dict[str, Any]:
        return {"was": "fine"}

    async def inject(self, on: System) -> None:
        DONE.append(f"inject {self.part} with {len(open_faults.read_all())} on disk")
        if self.breaks == "inject":
            raise UserError("it cannot be injected")

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        return {"processes ended": int(before["was"] == "fine")}

    async def heal(self, on: System) -> None:
        DONE.append(f"heal {self.part}")


@pytest.fixture
def shop(tmp_path: Path, base: int, monkeypatch: pytest.MonkeyPatch) -> System:
    """A shop that has files and no processes."""
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    monkeypatch.setitem(injectors.INJECTORS, "kill", Noted)
    DONE.clear()
    stack = embedded.stack(tmp_path / "shop", base)
    stack.state.mkdir()
    write_facts(stack)
    present = System(stack, target_of(stack.state))
    system.use(present)
    run_record.start()
    return present


def test_a_fault_is_on_disk_before_it_is_injected_and_gone_after_it_was_undone(shop: System) -> None:
    activities.inject("kill", part="orders")
    assert DONE == ["inject orders with 1 on disk"]
    assert activities.heal() == {"kill": {"processes ended": 1}}
    assert DONE[1:] == ["heal orders"]
    assert open_faults.read_all() == {}
    assert run_record.current().count("kill", "processes ended") == 1


def test_faults_are_undone_in_reverse_and_once(shop: System) -> None:
    activities.inject("kill", part="orders")
    activities.inject("kill", part="payments")
    activities.heal()
    activities.heal()
    assert DONE[2:] == ["heal payments", "heal orders"]


def test_an_injection_that_fails_leaves_the_fault_to_undo(shop: System) -> None:
    with pytest.raises(UserError):
        activities.inject("kill", part="orders", breaks="inject")
    assert len(open_faults.read_all()) == 1
    assert run_record.current().injected["kill"] == 0


def test_what_a_killed_runner_has_left_is_undone_by_another_process(shop: System) -> None:
    activities.inject("kill", part="orders")
    system.use(None)
    assert list(rollback.roll_back()) == ["kill (part orders) was undone."]
    assert DONE[1:] == ["heal orders"]
    assert list(rollback.roll_back()) == []


def test_the_faults_of_a_runner_at_work_are_left_to_it(shop: System) -> None:
    with runner_lock.held():
        activities.inject("kill", part="orders")
        with pytest.raises(UserError, match=f"^Process {os.getpid()} carries out experiments"):
            list(rollback.roll_back())
        with pytest.raises(UserError, match="carries out experiments"), runner.chosen_shop({}, print):
            pytest.fail("a second runner has started")
    assert DONE == ["inject orders with 1 on disk"]
    assert list(rollback.roll_back()) == ["kill (part orders) was undone."]


def test_a_fault_whose_shop_is_gone_is_forgotten(shop: System) -> None:
    activities.inject("kill", part="orders")
    (shop.stack.state / "stack.json").unlink()
    assert list(rollback.roll_back()) == ["kill (part orders) ended with its shop."]
    assert DONE[1:] == []


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON"])
def test_a_file_that_says_no_fault_is_named_with_the_cure(shop: System, text: str) -> None:
    file = open_faults.folder() / "1.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    with pytest.raises(UserError, match=r"1\.json is damaged.*then delete the file"):
        list(rollback.roll_back())


def test_an_action_without_a_shop_says_how_to_get_one() -> None:
    system.use(None)
    with pytest.raises(UserError, match="shop chaos run"):
        activities.inject("kill", part="orders")


def test_waiting_ends_when_an_invariant_breaks(shop: System) -> None:
    run_record.current().broken.set()
    assert activities.wait(3600) == "an invariant is violated"


def test_a_real_kill_is_seen_and_undone(tmp_path: Path, base: int) -> None:
    """The injector itself, with a program that stands for a part."""
    stack = embedded.stack(tmp_path / "shop", base)
    stack.daemon("spans").start(["sleep", "60"], env={})
    on = System(stack, None)  # type: ignore[arg-type]
    kill = injectors.processes.Kill("spans")

    async def carry_out() -> tuple[dict[str, int], dict[str, int]]:
        before = await kill.before(on)
        unseen = await kill.seen(on, before)
        await kill.inject(on)
        return unseen, await kill.seen(on, before)

    assert asyncio.run(carry_out()) == ({"processes ended": 0}, {"processes ended": 1})
