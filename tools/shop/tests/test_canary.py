"""`shop canary`: what it tells of a canary, and what it refuses."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shop.cli import app
from shop.commands import canary
from shop_lab.canary.judgement import Decision, Judgement, Seen
from shop_lab.canary.run import Outcome, Trial
from shop_stack.deployments import Deployed, clone
from shop_stack.errors import UserError
from shop_stack.target import TargetMissing

RELEASE = Deployed("payments", "0.2.0", Path("/nowhere"))


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Trial]:
    """The trials that the command carries out. Only one of 0.2.0 is promoted."""
    found: list[Trial] = []
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    monkeypatch.setenv("SHOP_TARGET", "embedded")

    async def carry_out(trial: Trial) -> Outcome:
        found.append(trial)
        promoted = trial.release.version == "0.2.0"
        decision = Decision.PROMOTE if promoted else Decision.WITHDRAW
        judgement = Judgement(decision, f"{trial.release.name} is {decision}, because it was tried.")
        return Outcome(trial.release, clone("payments"), judgement, Seen(messages=40), Seen(), 61.0)

    monkeypatch.setattr(Trial, "carry_out", carry_out)
    monkeypatch.setattr(canary, "target_of", lambda _: None)
    monkeypatch.setattr(
        canary, "released", lambda service, version: Deployed(service, version, Path("/nowhere"))
    )
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return found


def test_a_promoted_release_is_told_in_one_sentence(tried: list[Trial]) -> None:
    result = CliRunner().invoke(app, ["canary", "payments", "0.2.0", "--seconds", "30", "--rate", "5"])
    assert result.exit_code == 0, result.output
    assert result.stdout == "payments 0.2.0 is promoted, because it was tried.\n"
    assert [(trial.release, trial.seconds, trial.rate) for trial in tried] == [(RELEASE, 30.0, 5.0)]


def test_a_withdrawn_release_makes_the_exit_code_1(tried: list[Trial]) -> None:
    result = CliRunner().invoke(app, ["canary", "payments", "0.3.0", "--json"])
    assert result.exit_code == 1
    facts = json.loads(result.stdout)
    assert (facts["version"], facts["before"], facts["decision"]) == ("0.3.0", "clone", "withdrawn")
    assert facts["canary"]["messages"] == 40


def test_a_service_that_does_not_exist_is_refused(tried: list[Trial]) -> None:
    result = CliRunner().invoke(app, ["canary", "nothing", "0.2.0"])
    assert isinstance(result.exception, UserError)
    assert "There is no service 'nothing'" in str(result.exception)
    assert tried == []


def test_on_a_cluster_it_is_refused_with_the_page_that_says_how(tried: list[Trial]) -> None:
    result = CliRunner().invoke(app, ["--target", "k8s", "canary", "payments", "0.2.0"])
    assert isinstance(result.exception, UserError)
    assert "docs/how-to/canary.md" in str(result.exception)
    assert tried == []


def test_without_a_running_shop_it_says_so(tried: list[Trial], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: Any) -> None:
        raise TargetMissing("No shop runs here.")

    monkeypatch.setattr(canary, "target_of", missing)
    result = CliRunner().invoke(app, ["canary", "payments", "0.2.0"])
    assert isinstance(result.exception, TargetMissing)
    assert tried == []


def test_a_release_that_does_not_exist_is_refused_before_the_shop_is_looked_for(
    tried: list[Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(service: str, version: str) -> None:
        raise UserError(f"{service} has no release {version}.")

    def missing(_: Any) -> None:
        raise TargetMissing("No shop runs here.")

    monkeypatch.setattr(canary, "released", unknown)
    monkeypatch.setattr(canary, "target_of", missing)
    result = CliRunner().invoke(app, ["canary", "payments", "9.9.9"])
    assert str(result.exception) == "payments has no release 9.9.9."
    assert tried == []
