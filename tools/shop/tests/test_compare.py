"""`shop compare`: what it asks of the lab, what it tells, and what it refuses."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shop.cli import app
from shop.commands import compare
from shop_lab.compare.plan import FULL, QUICK, Plan
from shop_lab.compare.report import Report, Run
from shop_stack.errors import UserError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The plan that the command asks for. The last entry is the complaint about the only run of the answer."""
    found: list[Any] = [""]

    class Comparison:
        def __init__(self, plan: Plan, log: Any, done: Any) -> None:
            found.insert(0, plan)
            log("monolith, round 1: starting")
            done()

        async def carry_out(self) -> Report:
            run = Run("monolith", "round 1", 0.2, {"start_seconds": 4.25}, {}, found[-1])
            machine = {"cores": 2, "load_before": 0.1}
            return Report(datetime(2026, 1, 1, tzinfo=UTC), 60.0, machine, found[0], [run])

    monkeypatch.setattr(compare, "Comparison", Comparison)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return found


def test_it_compares_everything_and_writes_two_files(asked: list[Any], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["compare", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert asked[0].shapes == ("monolith", "pairs", "services", "orchestrated", "single")
    assert asked[0].effort == FULL
    assert "start until ready, s" in result.output
    assert "4.25" in (tmp_path / "compare.html").read_text()
    assert json.loads((tmp_path / "compare.json").read_text())["values"]["start_seconds"]["shapes"] == {
        "monolith": {"median": 4.25, "lowest": 4.25, "highest": 4.25, "runs": 1}
    }


def test_shapes_figures_rounds_and_effort_can_be_chosen(asked: list[Any], tmp_path: Path) -> None:
    options = ["--shape", "services", "--only", "start", "--rounds", "2", "--quick", "--json"]
    result = CliRunner().invoke(app, ["compare", *options, "--out", str(tmp_path)])
    assert (asked[0].shapes, asked[0].figures) == (("services",), {"start"})
    assert (asked[0].effort.rounds, asked[0].effort.orders) == (2, QUICK.orders)
    assert json.loads(result.stdout)["holds"] is True


def test_a_run_that_does_not_count_is_told_and_fails_the_command(asked: list[Any], tmp_path: Path) -> None:
    asked[-1] = "the oracle: 2 stock"
    result = CliRunner().invoke(app, ["compare", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "monolith, round 1 does not count: the oracle: 2 stock" in result.output


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--shape", "duolith"], "There is no shape 'duolith' to compare"),
        (["--only", "beauty"], "There is no figure 'beauty': choose from throughput,"),
    ],
)
def test_an_unknown_name_is_refused_before_anything_starts(
    asked: list[Any], options: list[str], sentence: str
) -> None:
    result = CliRunner().invoke(app, ["compare", *options])
    assert isinstance(result.exception, UserError)
    assert str(result.exception).startswith(sentence)
    assert len(asked) == 1


def test_another_target_is_refused() -> None:
    result = CliRunner().invoke(app, ["--target", "compose", "compare"])
    assert isinstance(result.exception, UserError)
    assert "leave out --target" in str(result.exception)
