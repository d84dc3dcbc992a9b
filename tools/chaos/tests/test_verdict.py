"""Each verdict is seen: holds, violated, vacuous and not run, and what the reports make of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from shop_chaos import catalogue, matrix, report, runner, verdict
from shop_chaos.run_record import RunRecord
from shop_chaos.verdict import Must, Result
from shop_lab.experiments.outcome import Outcome, at_least, at_most
from shop_oracle import replay
from shop_oracle.evidence import Evidence
from shop_oracle.invariants import Violation
from shop_oracle.looks import Look
from shop_oracle.report import Verdict, judge

KILL = {"kill": {"processes ended": 1}}


@pytest.fixture
def record() -> RunRecord:
    """One kill that was seen to bite, and one look that found nothing."""
    record = RunRecord()
    record.injected["kill"] += 1
    record.add_seen("kill", {"processes ended": 1})
    record.add_look(Look({"stock_always_adds_up": []}))
    return record


def oracle(*violations: Violation) -> Verdict:
    judged = judge(Evidence(reports=replay.reports([], {})))
    judged.rulings[4].judgement.violations.extend(violations)
    return judged


def ruled(record: RunRecord, troubles: list[str], judged: Verdict | None) -> tuple[str, list[str]]:
    reasons = verdict.reasons_of(record, troubles, judged)
    unseen = verdict.unseen_in(record, verdict.musts_of(KILL, record), watched=True)
    return verdict.ruling_of(reasons, unseen), reasons or unseen


def test_a_fault_that_bit_without_a_violation_holds(record: RunRecord) -> None:
    assert ruled(record, [], oracle()) == ("holds", [])


def test_a_fault_that_was_not_seen_to_bite_is_vacuous(record: RunRecord) -> None:
    record.seen.clear()
    assert ruled(record, [], oracle()) == (
        "vacuous",
        ["kill: 0 processes ended, at least 1 must be seen"],
    )


def test_each_injection_must_bite(record: RunRecord) -> None:
    record.injected["kill"] += 1
    assert ruled(record, [], oracle())[0] == "vacuous"


def test_a_run_without_a_fault_or_without_a_look_is_vacuous(record: RunRecord) -> None:
    record.looks.clear()
    assert "no look at the invariants" in ruled(record, [], oracle())[1][0]
    record.injected.clear()
    assert verdict.unseen_in(record, [], watched=False) == ["no fault was injected"]


def test_a_violation_at_rest_counts_also_if_the_fault_was_not_seen(record: RunRecord) -> None:
    record.seen.clear()
    ruling, reasons = ruled(record, [], oracle(Violation("key 1", "2 after 1", "1 after 2")))
    assert ruling == "violated"
    assert reasons == ["invariant 5: key 1: expected 2 after 1; found 1 after 2"]


def test_a_violation_while_the_fault_lasts_ends_the_waiting(record: RunRecord) -> None:
    assert not record.broken.is_set()
    record.add_look(Look({"stock_always_adds_up": [Violation("sku 1", "3", "2")]}))
    record.add_look(Look({"stock_always_adds_up": [Violation("sku 1", "3", "2")]}))
    assert record.broken.is_set()
    ruling, reasons = ruled(record, [], oracle())
    assert ruling == "violated"
    assert reasons == ["while it lasted: stock_always_adds_up: sku 1: expected 3; found 2"]


def test_unrest_and_a_fault_that_could_not_be_undone_are_violations(record: RunRecord) -> None:
    restless = Verdict(oracle().rulings, ["2 orders PENDING"])
    assert ruled(record, [], restless) == ("violated", ["not at rest: 2 orders PENDING"])
    assert ruled(record, ["undo it: orders was not ready"], oracle())[0] == "violated"


def test_a_number_outside_its_limit_is_a_violation_and_an_unseen_one_is_vacuous(record: RunRecord) -> None:
    record.outcomes.append(Outcome([at_most("seconds", 3, 2, "s")], None))
    assert ruled(record, [], oracle()) == ("violated", ["seconds: 3 s, must be ≤ 2 s"])
    record.outcomes[:] = [Outcome([], None, seen=[at_least("bites", 0, 1)])]
    assert ruled(record, [], oracle())[0] == "vacuous"


def activity(name: str, func: str, status: str) -> dict[str, Any]:
    return {
        "activity": {"name": name, "provider": {"func": func}},
        "status": status,
        "exception": ["Traceback", f"{name} failed\n"],
    }


def test_a_failed_activity_is_a_trouble_except_an_injection() -> None:
    journal = {
        "run": [activity("kill it", "inject", "failed"), activity("wait", "wait", "succeeded")],
        "rollbacks": [activity("undo it", "heal", "failed")],
    }
    assert runner.troubles_in(journal) == ["undo it: undo it failed"]
    assert runner.troubles_in(journal, injecting=True) == ["kill it: kill it failed"]


def result(name: str, ruling: Any, expected: str = "holds") -> Result:
    musts = [Must("kill", "processes ended", 1, 1)]
    return Result(name, "A title", ruling, expected, [] if ruling == "holds" else ["because <it> is"], musts)


GREEN, VACUOUS = result("green", "holds"), result("empty", "vacuous")
PLANTED = result("planted/one", "violated", "violated")
UNSEEN = result("planted/two", "holds", "violated")
NOT_RUN = verdict.not_run(catalogue.experiment("kafka-killed"), "kill needs root")


def test_only_the_expected_verdict_is_green() -> None:
    assert [each.is_green for each in (GREEN, PLANTED, VACUOUS, UNSEEN, NOT_RUN)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert matrix.holds([GREEN, PLANTED], partial=False)
    assert not matrix.holds([GREEN, VACUOUS], partial=True)
    assert not matrix.holds([GREEN, UNSEEN], partial=True)


def test_what_was_not_run_is_never_green_and_stops_only_a_chosen_run() -> None:
    assert not matrix.holds([GREEN, NOT_RUN], partial=False)
    assert matrix.holds([GREEN, NOT_RUN], partial=True)
    assert not matrix.holds([NOT_RUN], partial=True)


def test_a_fault_that_no_experiment_injects_is_in_the_matrix() -> None:
    told = matrix.without_experiment(catalogue.faults(), catalogue.experiments())
    assert {each.experiment for each in told} == {
        fault.id for fault in catalogue.faults() if not fault.targets
    }
    assert all(each.ruling == "not run" and each.reasons[0].startswith("needs ") for each in told)


def test_planted_experiments_come_first_and_quick_ones_can_be_chosen() -> None:
    chosen = list(matrix.chosen(catalogue.experiments(), quick=True))
    assert chosen[0].name.startswith("planted/")
    assert all(each.is_quick for each in chosen)
    assert len(chosen) < len(list(matrix.chosen(catalogue.experiments(), quick=False)))


def test_the_reports_tell_each_verdict_with_its_reason(tmp_path: Path) -> None:
    results = [GREEN, VACUOUS, PLANTED, UNSEEN, NOT_RUN]
    console = Console(record=True, width=200)
    report.print_results(results, console)
    table = console.export_text()
    for part in (
        "1 processes ended",
        "violated, as planted",
        "holds, not violated",
        "empty: because <it> is",
    ):
        assert part in table
    report.write(results, tmp_path)
    assert json.loads((tmp_path / "chaos.json").read_text())[1]["ruling"] == "vacuous"
    suite = ElementTree.parse(tmp_path / "chaos.xml").getroot()
    assert (suite.get("failures"), suite.get("skipped")) == ("2", "1")
    assert "because &lt;it&gt; is" in (tmp_path / "chaos.html").read_text()
