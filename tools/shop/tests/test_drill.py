"""`shop drill`: what the command prints, and its sentence for each wish that it cannot meet."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from shop.cli import app
from shop.commands import drill as command
from shop.labs.reports import read_reports
from shop_chaos.drills import drill, looks, record
from shop_chaos.drills.judging import Judgement, Money
from shop_chaos.drills.menu import CAUSES, Hidden
from shop_chaos.drills.record import Drill, Watched
from shop_stack.errors import UserError

FAULT = Hidden("freeze", "payments", "frozen", {"part": "payments"})
TIMES = {"detect": 10.0, "diagnose": 20.0, "cure": 30.5}
CURED = Judgement(
    "cured", [], "payments", "frozen", TIMES, 1, 0, ["payments"], Money({"CONFIRMED": 12}, 123456, 0)
)
OPEN = Judgement(
    "not cured", ["kafka does not run."], "payments", "frozen", {**TIMES, "cure": None}, 0, 0, [], None
)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the stack with no shop in it."""
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    return tmp_path


def begun() -> None:
    record.write(Drill(7, time.time(), asdict(FAULT), {}, {}, {}, began=time.time()))
    record.write_watched(Watched(placed=41))


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["drill", *words])


def printed(judgement: Judgement) -> str:
    console = Console(file=StringIO(), width=200)
    command.print_judgement(judgement, console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("words", [("status",), ("hint",), ("stop",)])
def test_without_a_drill_each_command_names_the_one_that_begins_it(words: tuple[str, ...]) -> None:
    failed = run(*words)
    assert isinstance(failed.exception, UserError)
    assert str(failed.exception) == "No drill is on: `shop drill start` begins one."


def test_status_tells_the_numbers_and_not_the_fault() -> None:
    begun()
    facts = json.loads(run("status", "--json").stdout)
    assert (facts["seed"], facts["orders_placed"], facts["wrong_answers"]) == (7, 41, 0)
    text = run("status").stdout
    assert "41 orders were placed" in text
    assert [word for word in ("payments", "frozen", "freeze") if word in text + json.dumps(facts)] == []


def test_a_wrong_answer_is_one_sentence_and_counted() -> None:
    begun()
    (looks.folder().parent / "stack.json").write_text("{}")
    failed = run("answer", "--part", "kafka", "--cause", "lost")
    assert "There is no cause 'lost'" in str(failed.exception)


def test_the_help_of_an_answer_names_each_cause() -> None:
    text = run("answer", "--help").stdout
    assert [cause for cause in CAUSES if f"{cause}: " not in text] == []


def test_a_verdict_has_times_orders_cents_and_what_was_restarted() -> None:
    text = printed(CURED)
    for words in (
        "Right: payments, frozen (its process lives and does nothing).",
        "Time to detect 10.0 s, to diagnose 20.0 s, to cure 30.5 s; 1 wrong answers, 0 hints.",
        "12 orders meanwhile: 12 CONFIRMED; 1,234.56 EUR charged, 0.00 EUR refunded.",
        "Started again: payments.",
        "Verdict: cured.\n",
    ):
        assert words in text
    unfinished = printed(OPEN)
    assert "to cure -;" in unfinished
    assert "kafka does not run.\nVerdict: not cured. The drill goes on" in unfinished


@pytest.mark.parametrize(("judgement", "code"), [(CURED, 0), (OPEN, 1)])
def test_the_exit_code_is_the_verdict_and_the_report_is_kept(
    monkeypatch: pytest.MonkeyPatch, judgement: Judgement, code: int
) -> None:
    async def answered(*_: object) -> Judgement:
        return judgement

    monkeypatch.setattr(drill, "answer", answered)
    result = run("answer", "--part", "payments", "--cause", "frozen", "--json")
    assert result.exit_code == code
    assert json.loads(result.stdout)["ruling"] == judgement.ruling
    assert read_reports(0.0).drill == judgement.ruling
    assert read_reports(time.time() + 60).drill == ""


def test_a_wrong_diagnosis_fails_with_the_number_of_wrong_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wrong(*_: object) -> None:
        present = record.require()
        present.wrong_answers += 1
        record.write(present)

    begun()
    monkeypatch.setattr(drill, "answer", wrong)
    failed = run("answer", "--part", "kafka", "--cause", "down")
    assert (
        str(failed.exception)
        == "No: the fault is not kafka, down. That is wrong answer 1; the drill goes on."
    )


def test_a_diagnostic_command_is_noted_as_the_first_look() -> None:
    begun()
    CliRunner().invoke(app, ["drill", "status"])
    assert looks.first_look() == 0.0
    CliRunner().invoke(app, ["logs", "payments"])
    assert looks.first_look() > 0
