"""`shop emancipate`: what it refuses, what it prints, and what its help teaches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shop.cli import app
from shop.commands.emancipate import facts, sentence
from shop_stack.emancipation import journal, run
from shop_stack.emancipation.journal import Journal
from shop_stack.emancipation.run import Outcome
from shop_stack.errors import UserError
from shop_stack.shapes import MONOLITH, Shape

APART = Shape.parse("orders+inventory+notifications+analytics | payments")
OUT = Outcome("payments", APART, 21.25, 4.5, 597, 409)


@pytest.mark.parametrize("target", ["compose", "k8s"])
def test_containers_and_clusters_are_refused_with_the_cure(target: str) -> None:
    result = CliRunner().invoke(app, ["--target", target, "emancipate", "payments"])
    assert isinstance(result.exception, UserError)
    assert "neither in containers nor on Kubernetes: leave out `--target`" in str(result.exception)
    assert "`shop up --as monolith`" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["shipments"], "There is no module 'shipments': choose one of orders,"),
        (["payments"], "There is no shop in"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path: Path, arguments: list[str], told: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "shop.cli", "emancipate", *arguments],
        env={**os.environ, "SHOP_STATE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    [line] = result.stderr.strip().splitlines()
    assert told in line


def test_the_sentence_says_how_long_requests_waited_and_how_to_go_back() -> None:
    assert sentence(OUT) == (
        "payments is a service of its own after 21.2 s: 409 rows were copied, and requests waited for at most 4.5 s. "
        "`shop emancipate payments --back` puts it back. `shop check` asks the oracle."
    )
    back = Outcome("payments", Shape.parse(MONOLITH), 9, 4, 0, 9, is_resumed=True)
    assert sentence(back).startswith(
        "The interrupted move is finished. payments is in the monolith again after 9.0 s"
    )
    assert "puts it back" not in sentence(back)
    undone = Outcome("payments", Shape.parse(MONOLITH), 2, is_undone=True)
    assert sentence(undone) == "The interrupted move of payments is undone: the shop is a monolith again."


def test_a_wait_that_an_interruption_hides_is_not_told() -> None:
    hidden = replace(OUT, waited=None)
    assert "requests waited for a time that is not known" in sentence(hidden)
    assert facts(hidden)["requests_waited_seconds"] is None


def test_ctrl_c_says_in_which_state_the_shop_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def emancipate(*_: object, **__: object) -> Outcome:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "emancipate", emancipate)
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    before = CliRunner().invoke(app, ["emancipate", "payments"])
    assert "Everything is as it was before." in before.stderr
    journal.write(tmp_path, Journal("payments", Shape.parse(MONOLITH), APART))
    after = CliRunner().invoke(app, ["emancipate", "payments"])
    assert "The move of payments is unfinished: `shop emancipate payments` finishes it" in after.stderr


def test_json_has_each_figure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def emancipate(*_: object, **__: object) -> Outcome:
        return OUT

    monkeypatch.setattr(run, "emancipate", emancipate)
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    result = CliRunner().invoke(app, ["emancipate", "payments", "--json"])
    assert (
        json.loads(result.stdout)
        == facts(OUT)
        == {
            "module": "payments",
            "shape": APART.text,
            "saga": "choreographed",
            "seconds": 21.25,
            "requests_waited_seconds": 4.5,
            "events_sent": 597,
            "rows_copied": 409,
            "resumed": False,
            "undone": False,
        }
    )


def test_help_shows_both_directions_and_what_a_killed_command_leaves() -> None:
    text = " ".join(CliRunner().invoke(app, ["emancipate", "--help"]).stdout.split())
    for part in (
        "shop emancipate payments",
        "--back",
        "If it was killed, the same command",
        "neither containers",
    ):
        assert part in text
