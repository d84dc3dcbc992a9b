"""`shop audit`: a vulnerability fails it, and a service that is away is told and never green."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from shop.cli import app
from shop.supply import audit
from shop_stack.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
SOUND = {"name": "fastapi", "version": "0.1.0", "vulns": []}
FLAWED = {"name": "jinja2", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1", "3.0"]}]}
SKIPPED = {"name": "ours", "skip_reason": "Dependency not found"}
AWAY = "requests.exceptions.ConnectionError: Max retries exceeded"


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with two locks; the current folder."""
    for path in ("contracts", "services/orders", str(audit.PROGRAM.parent)):
        (tmp_path / path).mkdir(parents=True)
    for lock in ("requirements-dev.txt", "services/orders/requirements.txt"):
        (tmp_path / lock).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_pip_audit(clone: Path, script: str) -> None:
    """A pip-audit that runs this script and keeps a line for each call."""
    program = clone / audit.PROGRAM
    program.write_text(f"#!/bin/sh\necho called >>{clone}/calls\n{script}\n")
    program.chmod(0o755)


def reporting(*packages: dict[str, Any]) -> str:
    """A script that reports as pip-audit does: its exit code is 1 if a package is vulnerable."""
    report = json.dumps({"dependencies": packages, "fixes": []})
    code = int(any(package.get("vulns") for package in packages))
    return f"echo '{report}'; exit {code}"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", *arguments])


def test_locks_without_a_known_vulnerability_pass(clone: Path) -> None:
    write_pip_audit(clone, reporting(SOUND))
    result = run()
    assert result.exit_code == 0
    assert "2 locked versions checked: 0 known vulnerabilities, 0 not checked" in result.stdout


def test_a_vulnerability_fails_and_is_named_with_the_versions_that_mend_it(clone: Path) -> None:
    write_pip_audit(clone, reporting(SOUND, FLAWED))
    result = run("--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)["vulnerabilities"]
    assert found[1] == {
        "lock": "requirements-dev.txt",
        "package": "jinja2",
        "version": "2.0",
        "id": "PYSEC-1",
        "fixed_in": ["2.1", "3.0"],
    }
    shown = run().stdout
    assert "PYSEC-1" in shown
    assert "2.1, 3.0" in shown


def test_a_service_that_is_away_is_told_for_each_lock_and_the_exit_code_is_3(clone: Path) -> None:
    write_pip_audit(clone, f"echo '{AWAY}' >&2; exit 1")
    result = run()
    assert result.exit_code == 3
    for lock in ("requirements-dev.txt", "services/orders/requirements.txt"):
        assert f"{lock}: not checked: the vulnerability service is not reachable" in result.stdout
    assert "0 locked versions checked" in result.stdout


def test_a_service_that_is_away_is_asked_once(clone: Path) -> None:
    write_pip_audit(clone, f"echo '{AWAY}' >&2; exit 1")
    run()
    assert (clone / "calls").read_text().splitlines() == ["called"]


def test_a_service_that_knows_no_package_of_a_lock_is_not_reachable(clone: Path) -> None:
    """So answers a proxy that refuses what it does not know, and pip-audit alone ends with 0."""
    write_pip_audit(clone, reporting(SKIPPED, SKIPPED))
    result = run()
    assert result.exit_code == 3
    assert result.stdout.count("not checked: the vulnerability service is not reachable") == 2
    assert "ours" not in result.stdout


def test_a_package_that_the_service_does_not_know_is_not_checked(clone: Path) -> None:
    write_pip_audit(clone, reporting(SOUND, SKIPPED))
    result = run()
    assert result.exit_code == 3
    assert "requirements-dev.txt: ours: not checked: Dependency not found" in result.stdout


def test_a_vulnerability_outweighs_what_was_not_checked(clone: Path) -> None:
    write_pip_audit(clone, reporting(FLAWED, SKIPPED))
    assert run().exit_code == 1


def test_another_failure_of_pip_audit_is_one_sentence(clone: Path) -> None:
    write_pip_audit(clone, "echo 'ERROR: requirement x does not contain a hash' >&2; exit 1")
    with pytest.raises(UserError, match=r"could not examine .*requirements\.txt: ERROR: requirement x"):
        audit.audit(clone)


def test_without_pip_audit_the_cure_is_named(clone: Path) -> None:
    with pytest.raises(UserError, match="run `make audit`"):
        audit.audit(clone)


def test_a_clone_without_locks_is_not_green(clone: Path) -> None:
    for lock in audit.locks(clone):
        lock.unlink()
    assert run().exit_code == 3


def test_every_lock_of_this_repository_is_examined() -> None:
    written_by_uv = {
        path
        for pattern in ("*.txt", "*/*/*.txt")
        for path in ROOT.glob(pattern)
        if path.read_text().startswith("# This file was autogenerated by uv")
    }
    assert set(audit.locks(ROOT)) == written_by_uv
