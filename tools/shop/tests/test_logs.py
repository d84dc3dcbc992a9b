"""`shop logs`: the log of a process, which a module shares with others."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from shop.cli import app
from shop_stack import shapes
from shop_stack.errors import UserError
from shop_stack.shapes import Shape


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    (tmp_path / "logs").mkdir()
    return tmp_path


def test_a_module_has_the_log_of_its_process_and_not_an_old_one_of_its_own(state: Path) -> None:
    shapes.store(state, Shape.parse("monolith"))
    (state / "postgres").mkdir()
    (state / "postgres" / "PG_VERSION").write_text("18")
    (state / "logs" / "orders.log").write_text("of a shop of five services\n")
    (state / "logs" / "monolith.log").write_text("first\nlast\n")
    result = CliRunner().invoke(app, ["logs", "orders", "-n", "1"])
    assert result.stdout == "last\n"
    assert "orders is a module of the process monolith" in result.stderr


def test_a_service_alone_has_a_log_of_its_own(state: Path) -> None:
    (state / "logs" / "orders.log").write_text("ready\n")
    result = CliRunner().invoke(app, ["logs", "orders"])
    assert (result.stdout, result.stderr) == ("ready\n", "")


def test_an_unknown_part_gets_the_names_of_the_logs_that_exist(state: Path) -> None:
    (state / "logs" / "orders.log").write_text("ready\n")
    result = CliRunner().invoke(app, ["logs", "shipments"])
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == "There is no log of 'shipments': choose one of orders."
