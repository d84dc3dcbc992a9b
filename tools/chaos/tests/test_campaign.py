"""A campaign strikes the parts that its seed chooses, and a strike counts only if its part ended and came back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shop_chaos import campaign, catalogue, injectors, open_faults, run_record, system
from shop_chaos.campaign import Strike, planned
from shop_chaos.customers import Customers
from shop_chaos.injectors import Injector
from shop_chaos.parts import EmbeddedParts
from shop_chaos.system import System
from shop_oracle.invariants import Violation
from shop_oracle.looks import Look
from shop_stack import embedded
from shop_stack.errors import UserError
from shop_stack.stack_files import write_facts
from shop_stack.target import embedded as target_of

PARTS = ("orders", "payments", "kafka")
DONE: list[str] = []
PROCESSES: dict[str, int] = {}
"""Part → the number of its process; 0: it does not run."""


@dataclass
class Ended(Injector):
    """Ends the process that PROCESSES has, and starts another one."""

    part: str

    async def before(self, on: System) -> dict[str, Any]:
        return {"process": PROCESSES[self.part]}

    async def inject(self, on: System) -> None:
        DONE.append(f"end {self.part}")

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        return {"processes ended": 1}

    async def heal(self, on: System) -> None:
        DONE.append(f"start {self.part}")
        if PROCESSES[self.part] and self.part != "kafka":
            PROCESSES[self.part] += 1


class Leaving(Customers):
    """Customers who place no order."""

    def close(self) -> None:
        DONE.append("no more customers")

    def leave(self) -> None:
        DONE.append("customers leave")


@pytest.fixture
def shop(tmp_path: Path, base: int, monkeypatch: pytest.MonkeyPatch) -> System:
    """A shop of files, at rest. Ends of `kafka` are not seen, because its process stays the same."""
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    monkeypatch.setitem(injectors.INJECTORS, "kill", Ended)
    monkeypatch.setattr(campaign, "READY_SECONDS", 0.0)
    DONE.clear()
    PROCESSES.update(dict.fromkeys(PARTS, 1))

    async def running(_: EmbeddedParts, part: str) -> frozenset[str]:
        return frozenset({str(PROCESSES[part])} if PROCESSES[part] else ())

    async def is_ready(_: EmbeddedParts, part: str) -> bool:
        return bool(PROCESSES[part])

    async def wait_for_rest(*_: Any) -> list[str]:
        DONE.append("rest")
        return []

    monkeypatch.setattr(EmbeddedParts, "running", running)
    monkeypatch.setattr(EmbeddedParts, "is_ready", is_ready)
    monkeypatch.setattr(campaign, "wait_for_rest", wait_for_rest)
    stack = embedded.stack(tmp_path / "shop", base)
    stack.state.mkdir()
    write_facts(stack)
    present = System(stack, target_of(stack.state))
    system.use(present)
    run_record.start(lambda what: DONE.append(what))
    run_record.current().customers = Leaving(present.target, 0)
    return present


def strikes(*parts: str) -> list[Strike]:
    return [Strike((part,), 0, 0) for part in parts]


def test_the_same_seed_plans_the_same_strikes_and_another_seed_plans_others() -> None:
    plan = planned(PARTS, 50, 2, seed=1)
    assert plan == planned(PARTS, 50, 2, seed=1)
    assert plan != planned(PARTS, 50, 2, seed=2)
    assert len(plan) == 50
    assert all(len(set(strike.parts)) == 2 for strike in plan)
    assert set(Counter(part for strike in plan for part in strike.parts)) == set(PARTS)


@pytest.mark.parametrize(("count", "at_once"), [(0, 1), (1, 0), (1, 4)])
def test_a_campaign_without_a_strike_or_with_too_few_parts_is_refused(count: int, at_once: int) -> None:
    with pytest.raises(UserError, match="1 to 3 parts at once"):
        planned(PARTS, count, at_once, seed=1)


def test_each_strike_is_undone_before_the_next_and_the_customers_leave_at_the_end(shop: System) -> None:
    outcome = campaign.carried_out("kill", strikes("orders", "payments"))
    assert [
        *("kill 1 of 2: orders", "end orders", "start orders"),
        *("no more customers", "kill 2 of 2: payments", "end payments", "start payments"),
        *("waiting until the backlog is gone", "customers leave", "rest"),
    ] == DONE
    assert outcome.holds
    assert [(each.name, each.value) for each in outcome.seen] == [
        ("orders ended and came back", 1),
        ("payments ended and came back", 1),
    ]
    assert run_record.current().count("kill", "processes ended") == 2
    assert open_faults.read_all() == {}


def test_a_strike_whose_part_has_the_same_process_as_before_does_not_count(shop: System) -> None:
    outcome = campaign.carried_out("kill", strikes("orders", "kafka", "orders"))
    assert outcome.ruling == "vacuous"
    assert {each.name: (each.value, each.holds) for each in outcome.seen} == {
        "kafka ended and came back": (0, False),
        "orders ended and came back": (2, True),
    }


def test_a_strike_at_a_part_that_did_not_run_does_not_count(shop: System) -> None:
    PROCESSES["orders"] = 0
    assert campaign.carried_out("kill", strikes("orders")).ruling == "vacuous"


def test_a_backlog_that_is_there_for_too_long_is_a_violation(
    shop: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "BACKLOG_SECONDS", -1.0)
    outcome = campaign.carried_out("kill", strikes("orders"))
    assert outcome.ruling == "short"
    assert "backlog gone after the last fault" in outcome.reasons[0]


def test_a_violation_ends_the_campaign(shop: System) -> None:
    run_record.current().add_look(Look({"stock_always_adds_up": [Violation("sku 1", "3", "2")]}))
    outcome = campaign.carried_out("kill", strikes("orders"))
    assert "end orders" not in DONE
    assert not outcome.holds


@pytest.mark.parametrize(("name", "count"), [("kill-campaign", 1000), ("stop-campaign", 300)])
def test_a_campaign_of_the_catalogue_has_its_seed_and_count_as_values(name: str, count: int) -> None:
    experiment = catalogue.experiment(name)
    (action,) = [
        step["provider"]["arguments"]
        for step in experiment.document["method"]
        if step["provider"]["func"] == "campaign"
    ]
    assert [action["fault"]] == experiment.faults
    assert count in experiment.configuration.values()
    assert experiment.configuration["seed"] == 1
    drawn = planned(action["parts"], count, action.get("at_once", 1), seed=1)
    struck = {part for strike in drawn for part in strike.parts}
    assert struck == set(action["parts"])
