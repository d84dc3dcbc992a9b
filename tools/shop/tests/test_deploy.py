"""`shop deploy` and `shop rollback`: what they ask of the stack, and what they tell."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from shop.cli import app
from shop_stack import compose_deployments, deployments, kubernetes_deployments
from shop_stack.deployments import Deployed, Outcome, clone
from shop_stack.errors import UserError

GAP = "a container is stopped"


@dataclass(frozen=True)
class Release:
    """What the commands read of a release."""

    service: str
    version: str
    commit: str = "abc"


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What the commands ask for, of shops that deploy at once; and a git that has the release 0.1.1 of each service."""
    found: list[tuple[str, Any]] = []
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    monkeypatch.setenv("SHOP_TARGET", "embedded")

    async def deploy(_: Any, release: Deployed, *__: Any) -> Outcome:
        found.append(("embedded", release))
        return Outcome(release, clone(release.service), 1.0)

    async def rollback(_: Any, service: str, *__: Any) -> Outcome:
        found.append(("embedded rollback", service))
        return Outcome(clone(service), Deployed(service, "0.1.1", tmp_path), 1.0)

    def in_containers(release: Deployed, *_: Any) -> Outcome:
        found.append(("compose", release))
        return Outcome(release, clone(release.service), 1.0, gap=GAP)

    def on_a_cluster(service: str, version: str, *_: Any) -> Outcome:
        found.append(("k8s", (service, version)))
        return Outcome(Deployed(service, version, Path()), Deployed(service, "0.1.0", Path()), 1.0)

    monkeypatch.setattr(deployments, "deploy", deploy)
    monkeypatch.setattr(deployments, "rollback", rollback)
    monkeypatch.setattr(compose_deployments, "deploy", in_containers)
    monkeypatch.setattr(kubernetes_deployments, "deploy", on_a_cluster)
    plant_releases(tmp_path, monkeypatch)
    return found


def plant_releases(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the commands one release of each service, instead of those of git."""

    def read(_: Path, service: str, version: str) -> Release:
        if version != "0.1.1":
            raise UserError(f"There is no release {version} of {service}: it is one of 0.1.1.")
        return Release(service, version)

    async def checkout(release: Release) -> Path:
        return folder / f"{release.service}-{release.version}"

    for name, function in (("release", read), ("checkout", checkout)):
        module = ModuleType(f"shop_contracts.releases.{name}")
        setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, module.__name__, module)


def shop(*arguments: str) -> str:
    answer = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def test_a_release_is_checked_out_and_deployed(asked: list[Any], tmp_path: Path) -> None:
    told = shop("deploy", "orders", "0.1.1")
    assert asked == [("embedded", Deployed("orders", "0.1.1", tmp_path / "orders-0.1.1", "abc"))]
    assert "orders 0.1.1 runs, 1.0 s after the start of the command." in told
    assert "No connection was refused: orders from the clone finished its requests" in told


def test_the_clone_needs_no_checkout(asked: list[Any]) -> None:
    shop("deploy", "orders", "clone")
    assert asked == [("embedded", clone("orders"))]


def test_a_gap_is_told_with_its_reason(asked: list[Any]) -> None:
    told = shop("--target", "compose", "deploy", "orders", "0.1.1")
    assert [target for target, _ in asked] == ["compose"]
    assert f"orders was away for a moment and clients had to try again, because {GAP}." in told


def test_a_cluster_is_asked_for_a_version_without_code(asked: list[Any]) -> None:
    shop("--target", "k8s", "deploy", "orders", "0.1.1")
    assert asked == [("k8s", ("orders", "0.1.1"))]


def test_the_outcome_is_json_for_a_program(asked: list[Any]) -> None:
    assert json.loads(shop("rollback", "orders", "--json")) == {
        "service": "orders",
        "version": "clone",
        "revision": "unknown",
        "before": "0.1.1",
        "running": True,
        "seconds": 1.0,
        "gap": None,
    }
    assert asked == [("embedded rollback", "orders")]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["deploy", "billing", "0.1.1"], "There is no service 'billing'"),
        (["deploy", "orders", "9.9.9"], "There is no release 9.9.9 of orders"),
        (["--target", "compose", "deploy", "billing", "0.1.1"], "There is no service 'billing'"),
        (["--target", "k8s", "deploy", "orders", "9.9.9"], "There is no release 9.9.9 of orders"),
    ],
)
def test_an_unknown_service_or_version_is_told_and_changes_nothing(
    asked: list[Any], arguments: list[str], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        shop(*arguments)
    assert asked == []


def test_a_release_for_later_and_one_that_runs_already_are_told(
    asked: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    release = Deployed("orders", "0.1.1", tmp_path)
    outcomes = [Outcome(release, release, 0.1), Outcome(release, clone("orders"), 0.1, is_running=False)]

    async def deploy(*_: Any) -> Outcome:
        return outcomes.pop()

    monkeypatch.setattr(deployments, "deploy", deploy)
    assert "orders 0.1.1 is chosen: `shop up` starts it." in shop("deploy", "orders", "0.1.1")
    assert "orders 0.1.1 runs already." in shop("deploy", "orders", "0.1.1")
