"""`shop saga diff`: what it asks of the lab, what it tells, and what it refuses."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest
from typer.testing import CliRunner

from shop.cli import app
from shop.commands import saga
from shop_lab.saga_diff.reading import Saga, Times
from shop_stack.connect import VARIABLE
from shop_stack.errors import UserError
from shop_stack.shapes import SAGAS, Shape

TIMES = Times(40.0, 30.5, 60.0)
TOLD = {"after_ms": 0.0, "service": "orders", "message": "order-placed", "kind": "event", "because_of": ""}
FOUND = Saga([TOLD], 4, TIMES, TIMES, {"inventory": {"orders": ["order-placed"]}}, {"a field": ["inventory"]})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The shape and the number of orders that the command asks for."""
    found: list[Any] = []

    async def both_sagas(shape: Shape, orders: int, log: Any) -> dict[str, Saga]:
        found.extend((shape, orders))
        log("choreographed: starting")
        return dict.fromkeys(SAGAS, FOUND)

    monkeypatch.setattr(saga, "both_sagas", both_sagas)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    # The option --target of another test stays in the environment of this process.
    monkeypatch.delenv(VARIABLE, raising=False)
    return found


def test_both_sagas_stand_side_by_side(asked: list[Any]) -> None:
    result = CliRunner().invoke(app, ["saga", "diff"])
    assert result.exit_code == 0, result.output
    assert asked == [Shape(), 20]
    for text in (*SAGAS, "orders: order-placed", "hops to the confirmation", "40 (30 to 60)"):
        assert text in result.stdout


def test_the_grouping_the_orders_and_the_form_can_be_chosen(asked: list[Any]) -> None:
    result = CliRunner().invoke(app, ["saga", "diff", "--as", "monolith", "--orders", "3", "--json"])
    assert asked == [Shape.parse("monolith"), 3]
    told = json.loads(result.stdout)
    assert (told["shape"], told["orders"], sorted(told["sagas"])) == ("monolith", 3, sorted(SAGAS))
    assert told["sagas"]["orchestrated"]["confirmed_ms"] == {"median": 40.0, "lowest": 30.5, "highest": 60.0}


def test_an_unknown_grouping_is_refused_before_anything_starts(asked: list[Any]) -> None:
    result = CliRunner().invoke(app, ["saga", "diff", "--as", "duolith"])
    assert isinstance(result.exception, UserError)
    assert "There is no module 'duolith'" in str(result.exception)
    assert asked == []


def test_another_target_is_refused(asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "compose")
    result = CliRunner().invoke(app, ["saga", "diff"])
    assert isinstance(result.exception, UserError)
    assert "leave out --target" in str(result.exception)
    assert asked == []
