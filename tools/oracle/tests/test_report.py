"""The verdict, for people and for machines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from shop_oracle.evidence import Evidence
from shop_oracle.invariants import INVARIANTS, RUNBOOKS
from shop_oracle.report import SHOWN, judge, page_of, print_verdict

ROOT = Path(__file__).resolve().parents[3]


def printed(evidence: Evidence) -> str:
    console = Console(width=120, no_color=True)
    with console.capture() as capture:
        print_verdict(judge(evidence), console)
    return capture.get()


def test_when_everything_holds_it_is_said(clean: Evidence) -> None:
    verdict = judge(clean)
    assert verdict.holds
    assert verdict.as_json()["holds"] is True
    assert [ruling["number"] for ruling in verdict.as_json()["invariants"]] == list(range(1, 10))
    assert "Everything holds." in printed(clean)


def test_a_violation_is_named_with_what_was_expected_and_found(clean: Evidence) -> None:
    clean.products["MUG"] = replace(clean.products["MUG"], on_hand=993)
    (stock,) = [r for r in judge(clean).as_json()["invariants"] if not r["holds"]]
    assert (stock["number"], stock["violation_count"]) == (2, 1)
    assert stock["violations"][0]["subject"] == "sku MUG"
    text = printed(clean)
    for words in ("sku MUG", "1000", "999", "1 violated", "It does not hold."):
        assert words in text


def test_a_violated_invariant_names_its_runbook_and_no_other(clean: Evidence) -> None:
    assert "docs/runbooks" not in printed(clean)
    clean.products["MUG"] = replace(clean.products["MUG"], on_hand=993)
    (stock,) = [r for r in judge(clean).as_json()["invariants"] if not r["holds"]]
    assert stock["runbook"] == "docs/runbooks/dead-letters.md"
    lines = printed(clean).splitlines()
    assert [line.strip() for line in lines if "docs/runbooks" in line] == [
        "Runbook for invariant 2: docs/runbooks/dead-letters.md",
        "It does not hold. docs/runbooks/README.md has the likely causes.",
    ]


def test_every_invariant_has_a_runbook(clean: Evidence) -> None:
    assert set(RUNBOOKS) == set(INVARIANTS)
    assert [page for page in map(page_of, INVARIANTS) if not (ROOT / page).is_file()] == []


def test_a_failed_test_tells_each_violation_on_a_line_of_its_own(clean: Evidence) -> None:
    assert judge(clean).complaint == ""
    clean.products["MUG"] = replace(clean.products["MUG"], on_hand=993)
    clean.messages = [replace(message, state="PENDING") for message in clean.messages]
    clean.unrest = ["3 orders PENDING"]
    verdict = judge(clean)
    violations = sum(len(ruling.judgement.violations) for ruling in verdict.rulings)
    lines = verdict.complaint.splitlines()
    assert lines[0] == "not at rest: 3 orders PENDING"
    assert len(lines) == 1 + violations > 2
    assert any(line.startswith("2 ") and "sku MUG: expected " in line for line in lines)


def test_people_see_the_first_violations_and_machines_all(clean: Evidence) -> None:
    clean.messages = [replace(message, state="PENDING") for message in clean.messages * 3]
    locked = judge(clean).as_json()["invariants"][6]
    assert len(locked["violations"]) == locked["violation_count"] > SHOWN
    assert f"and {locked['violation_count'] - SHOWN} more of invariant 7" in printed(clean)


def test_a_shop_that_did_not_come_to_rest_gets_no_good_verdict(clean: Evidence) -> None:
    clean.unrest = ["3 orders PENDING"]
    assert not judge(clean).holds
    assert "not at rest: 3 orders PENDING" in printed(clean)
    assert "orders in progress may look like violations" in printed(clean)


def test_what_could_not_be_judged_is_said_and_does_not_fail_the_rest(clean: Evidence) -> None:
    clean.traces.of_order, clean.traces.unjudged = {}, "tracing is off"
    assert judge(clean).holds
    assert "tracing is off" in printed(clean)


def test_a_verdict_is_json(clean: Evidence) -> None:
    assert json.loads(json.dumps(judge(clean).as_json()))["unrest"] == []
