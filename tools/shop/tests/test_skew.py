"""`shop skew`: what it asks of the lab, what it tells, and what it refuses."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shop.cli import app
from shop.commands import skew
from shop_lab.skew.cells import Cell, Crossings, Expected, Question
from shop_lab.skew.report import Report
from shop_stack.errors import UserError
from shop_stack.ports import SERVICES

BOTH = Expected(old_to_new=True, new_to_old=True)
GREEN = Cell("orders", Question.BESIDE_OLD, 90, Crossings(7, 9), BOTH)
VACUOUS = Cell("orders", Question.BESIDE_NEW, 90, Crossings(0, 9), BOTH)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the command asks for. The cells of the answer can be replaced: they are the last entry."""
    found: list[Any] = [[GREEN]]

    async def pairs(_: Path, services: Sequence[str], chosen: Mapping[str, str]) -> dict[str, Any]:
        found.insert(0, (tuple(services), dict(chosen)))
        return {}

    async def prove(_: Any, services: Sequence[str], log: Any, on_cell: Any) -> Report:
        found.insert(0, tuple(services))
        cells = found[-1]
        log("orders")
        for cell in cells:
            on_cell(cell)
        return Report(cells, {"orders": ("0.1.0", "clone")}, datetime(2026, 1, 1, tzinfo=UTC), 60.0)

    monkeypatch.setattr(skew, "pairs", pairs)
    monkeypatch.setattr(skew, "prove", prove)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return found


def test_it_proves_all_services_with_the_clone_as_n(asked: list[Any], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["skew", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert asked[:2] == [SERVICES, (SERVICES, {})]
    assert "Proved: all 1 cells are green" in result.output
    assert "orders" in (tmp_path / "skew.html").read_text()
    assert "| orders |" in (tmp_path / "skew.md").read_text()
    assert json.loads((tmp_path / "skew.json").read_text())["holds"] is True


def test_a_release_of_one_service_can_be_n(asked: list[Any], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["skew", "orders", "--version", "0.2.0", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert asked[:2] == [("orders",), (SERVICES, {"orders": "0.2.0"})]


@pytest.mark.parametrize(
    ("named", "chosen"), [([], SERVICES), (["payments", "orders"], ("orders", "payments"))]
)
def test_the_same_release_of_several_services_can_be_n(
    asked: list[Any], tmp_path: Path, named: list[str], chosen: tuple[str, ...]
) -> None:
    result = CliRunner().invoke(app, ["skew", *named, "--version", "0.2.0", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert asked[:2] == [chosen, (SERVICES, dict.fromkeys(chosen, "0.2.0"))]


def test_a_vacuous_cell_makes_the_exit_code_1(asked: list[Any], tmp_path: Path) -> None:
    asked[-1] = [GREEN, VACUOUS]
    result = CliRunner().invoke(app, ["skew", "orders", "--json", "--out", str(tmp_path)])
    assert result.exit_code == 1
    facts = json.loads(result.stdout)
    assert [cell["ruling"] for cell in facts["cells"]] == ["green", "vacuous"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "There is no service 'nothing'"),
        (["orders", "nothing", "--version", "0.2.0"], "There is no service 'nothing'"),
    ],
)
def test_what_cannot_be_proved_is_refused(asked: list[Any], arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["skew", *arguments])
    assert isinstance(result.exception, UserError)
    assert said in str(result.exception)
    assert asked == [[GREEN]]
