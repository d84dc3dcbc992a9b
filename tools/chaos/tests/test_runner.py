"""Chaos Toolkit carries an experiment out as this repository needs it: it looks meanwhile, stops early, rolls back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from shop_chaos import (
    activities,
    catalogue,
    committed,
    injectors,
    needs,
    open_faults,
    report,
    runner,
    system,
)
from shop_chaos.catalogue import Experiment
from shop_chaos.injectors import Injector
from shop_chaos.measured import MEASURED
from shop_chaos.parts import ComposeParts
from shop_chaos.system import System
from shop_chaos.verdict import Result
from shop_oracle import looks, replay
from shop_oracle.evidence import Evidence
from shop_oracle.invariants import Violation
from shop_oracle.looks import Look
from shop_oracle.report import judge
from shop_stack import embedded
from shop_stack.errors import UserError
from shop_stack.stack_files import write_facts
from shop_stack.target import Target
from shop_stack.target import embedded as target_of

DONE: list[str] = []


@dataclass
class Noted(Injector):
    """Writes down what is done with it; `bites` is the count that is seen."""

    part: str
    bites: int = 1
    breaks: str = ""

    async def inject(self, on: System) -> None:
        DONE.append("inject")
        if self.breaks == "inject":
            raise UserError("it cannot be injected")

    async def seen(self, on: System, before: Any) -> dict[str, int]:
        return {"processes ended": self.bites}

    async def heal(self, on: System) -> None:
        DONE.append("heal")
        if self.breaks == "heal" and DONE.count("heal") == 1:
            raise UserError("it does not start")


@pytest.fixture
def shop(tmp_path: Path, base: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    """A shop that has files and no processes. Every look finds that all is well, and so does the oracle at rest."""
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    monkeypatch.setitem(injectors.INJECTORS, "kill", Noted)
    monkeypatch.setattr(runner, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(runner, "_judged", lambda *_: (judge(Evidence(reports=replay.reports([], {}))), []))
    look_finds(monkeypatch)
    DONE.clear()
    stack = embedded.stack(tmp_path / "shop", base)
    stack.state.mkdir()
    write_facts(stack)
    system.use(System(stack, target_of(stack.state)))
    yield system.current()
    system.use(None)


def look_finds(
    monkeypatch: pytest.MonkeyPatch, *violations: Violation, when: Callable[[], bool] = lambda: True
) -> None:
    async def look(_: object) -> Look:
        return Look({"stock_always_adds_up": list(violations) if when() else []})

    monkeypatch.setattr(looks, "look", look)


def experiment(tmp_path: Path, seconds: float = 0.3, heals: bool = True, **arguments: Any) -> Experiment:
    """An experiment that kills a part for some time."""
    document = yaml.safe_load((catalogue.folder() / "experiments" / "kafka-killed.yaml").read_text())
    document["extensions"][0]["rate"] = 0
    _, inject, wait, heal, _ = document["method"]
    inject["provider"]["arguments"].update(arguments)
    wait["provider"]["arguments"]["seconds"] = seconds
    document["method"] = [inject, wait, *([heal] if heals else [])]
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(document))
    return catalogue.experiment(str(file))


def carried_out(shop: System, tmp_path: Path, **given: Any) -> Result:
    return runner.carry_out(experiment(tmp_path, **given), shop, lambda _: None)


def test_an_experiment_looks_while_its_fault_lasts_and_holds(shop: System, tmp_path: Path) -> None:
    result = carried_out(shop, tmp_path)
    assert (result.ruling, result.reasons) == ("holds", [])
    assert DONE == ["inject", "heal"]
    assert result.looks["all"] >= 3
    assert result.musts[0].value == 1
    (journal,) = (tmp_path / "chaos" / "journals").glob("mine-*.json")
    assert '"status": "completed"' in journal.read_text()


def test_a_fault_that_does_not_bite_makes_it_vacuous(shop: System, tmp_path: Path) -> None:
    result = carried_out(shop, tmp_path, bites=0)
    assert result.ruling == "vacuous"
    assert result.reasons == ["kill: 0 processes ended, at least 1 must be seen"]


def test_a_violation_while_the_fault_lasts_stops_the_experiment_and_undoes_its_fault(
    shop: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_finds(monkeypatch, Violation("sku 1", "3", "2"), when=lambda: "inject" in DONE)
    result = carried_out(shop, tmp_path, seconds=3600)
    assert result.ruling == "violated"
    assert result.reasons[0] == "while it lasted: stock_always_adds_up: sku 1: expected 3; found 2"
    assert DONE == ["inject", "heal"]
    assert open_faults.read_all() == {}


def test_a_violation_before_the_method_injects_nothing(
    shop: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_finds(monkeypatch, Violation("sku 1", "3", "2"))
    assert carried_out(shop, tmp_path).ruling == "violated"
    assert DONE == []


def test_the_rollback_undoes_what_the_method_does_not(shop: System, tmp_path: Path) -> None:
    assert carried_out(shop, tmp_path, heals=False).ruling == "holds"
    assert DONE == ["inject", "heal"]


def test_a_fault_that_cannot_be_injected_is_undone_and_proves_nothing(shop: System, tmp_path: Path) -> None:
    result = carried_out(shop, tmp_path, breaks="inject")
    assert result.ruling == "vacuous"
    assert result.reasons[0] == "no fault was injected"
    assert "it cannot be injected" in result.reasons[1]
    assert DONE == ["inject", "heal"]


def test_a_fault_that_cannot_be_undone_is_a_violation(shop: System, tmp_path: Path) -> None:
    result = carried_out(shop, tmp_path, breaks="heal")
    assert result.ruling == "violated"
    assert "it does not start" in result.reasons[0]
    assert DONE == ["inject", "heal", "heal"]


def test_a_measured_experiment_gets_the_values_that_were_set(
    shop: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, Any] = {}

    async def run(_: object, **arguments: Any) -> Any:
        told.update(arguments)
        raise UserError("that is enough")

    monkeypatch.setitem(MEASURED, "rebalances", run)
    chosen = catalogue.experiment("rebalances")
    result = runner.carry_out(chosen, shop, lambda _: None, {"joins": 20})
    assert told == {"service": "inventory", "joins": 20}
    assert result.ruling == "violated"
    assert "that is enough" in result.reasons[0]


def test_a_shop_is_not_started_while_a_fault_of_an_earlier_run_is_in_force(shop: System) -> None:
    activities.inject("kill", part="orders")
    with pytest.raises(UserError, match="shop chaos rollback"), runner.chosen_shop({}, lambda _: None):
        pass


def test_another_target_means_the_shop_that_runs_there(shop: System, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def connect() -> Iterator[Target]:
        yield shop.target

    monkeypatch.setenv("SHOP_TARGET", "compose")
    monkeypatch.setattr(system, "connect", connect)
    with runner.chosen_shop({}, lambda _: None) as present:
        assert present.target is shop.target
        assert isinstance(present.parts, ComposeParts)
        assert system.current() is present
    with pytest.raises(UserError, match="No shop is chosen"):
        system.current()


def test_the_values_that_were_set_are_in_the_result(
    shop: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = experiment(tmp_path)
    document = {**chosen.document, "configuration": {"kills": 1000, "seed": 1}}
    result = runner.carry_out(
        Experiment("mine", document), shop, lambda _: None, {"kills": 20, "of another": 3}
    )
    assert result.configuration == {"kills": 20, "seed": 1}
    assert report.configured(result.configuration) == "kills 20, seed 1"
    assert 'name="kills" value="20"' in report.junit_of([result])
    assert "(kills 20, seed 1)" in report.html_of([result])
    assert committed.named(result.as_json()) == "`mine` (kills 20, seed 1)"


def test_every_need_of_the_schema_can_be_judged() -> None:
    needed = {need for fault in catalogue.faults() for need in fault.needs}
    assert needed <= set(needs.HERE)
