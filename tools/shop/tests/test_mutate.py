"""`shop mutate`, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shop.cli import app
from shop.commands import mutate as command
from shop_mutants.catalogue import Mutant, read
from shop_mutants.verdicts import Judgement, Verdict
from shop_stack.errors import UserError
from shop_stack.paths import repository

MUTANT = Mutant("no-inbox", "the inbox", "pattern", ("t.py::test_one",), "2 == 1", Path("no-inbox.patch"))
CAUGHT = Judgement(MUTANT, Verdict.CAUGHT, "", 3.2)
SURVIVED = replace(CAUGHT, verdict=Verdict.SURVIVED, why="t.py::test_one passes with the patch")
VACUOUS = replace(CAUGHT, verdict=Verdict.VACUOUS, why="the patch does not apply")

AnswerWith = Callable[..., None]


@pytest.fixture
def answer_with(monkeypatch: pytest.MonkeyPatch) -> AnswerWith:
    """answer_with(judgement, ...): the command runs nothing, and gets these judgements."""

    @contextmanager
    def workplace(root: Path, workers: int) -> Iterator[None]:
        yield None

    def answer(*judgements: Judgement) -> None:
        def run(_: None, mutants: Sequence[Mutant], tell: Callable[[str, int], None]) -> list[Judgement]:
            tell("no-inbox: caught", 1)
            return list(judgements)

        monkeypatch.setattr(command, "workplace", workplace)
        monkeypatch.setattr(command, "run", run)

    return answer


def test_if_each_mutant_is_caught_the_exit_code_is_0(answer_with: AnswerWith) -> None:
    answer_with(CAUGHT)
    answer = CliRunner().invoke(app, ["mutate", "no-inbox"])
    assert answer.exit_code == 0
    assert "1 of 1 mutants are caught, 0 survived, 0 prove nothing." in answer.stdout


@pytest.mark.parametrize(
    ("judgement", "sentence"),
    [
        (SURVIVED, "no-inbox survived: t.py::test_one passes with the patch"),
        (VACUOUS, "no-inbox proves nothing: the patch does not apply"),
    ],
)
def test_a_mutant_that_is_not_caught_is_told_and_the_exit_code_is_1(
    answer_with: AnswerWith, judgement: Judgement, sentence: str
) -> None:
    answer_with(CAUGHT, judgement)
    answer = CliRunner().invoke(app, ["mutate"])
    assert answer.exit_code == 1
    assert sentence in answer.stdout


def test_the_json_has_each_verdict_and_nothing_else_is_on_standard_output(answer_with: AnswerWith) -> None:
    answer_with(CAUGHT, SURVIVED)
    found = json.loads(CliRunner().invoke(app, ["mutate", "--json"]).stdout)
    assert [(one["name"], one["verdict"]) for one in found["mutants"]] == [
        ("no-inbox", "caught"),
        ("no-inbox", "survived"),
    ]
    assert found["mutants"][0]["caught_by"] == ["t.py::test_one"]


def test_the_list_runs_nothing_and_has_each_mutant() -> None:
    answer = CliRunner().invoke(app, ["mutate", "--list", "--json"])
    names = [one["name"] for one in json.loads(answer.stdout)]
    assert names == [mutant.name for mutant in read(repository())]
    assert "no-inbox" in CliRunner().invoke(app, ["mutate", "--list", "no-inbox"]).stdout


def test_an_unknown_mutant_is_refused_before_anything_starts() -> None:
    answer = CliRunner().invoke(app, ["mutate", "no-such-mutant"])
    assert isinstance(answer.exception, UserError)
    assert "no mutant no-such-mutant" in str(answer.exception)
