"""`shop release`: the list of releases, and the short form of the command that makes one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shop.cli import app
from shop.commands import release
from shop_stack.errors import UserError
from tools.contracts.tests.mini_clone import Clone, filled


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """A clone with the releases shelf 0.1.0, shelf 0.2.0 and desk 0.1.0."""
    made = filled(tmp_path)
    for service, version in (("shelf", "0.1.0"), ("shelf", "0.2.0"), ("desk", "0.1.0")):
        made.release(service, version)
    monkeypatch.setattr(release, "repository", lambda: made.root)
    return made


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["release", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_list_has_each_release_of_each_service_oldest_first(clone: Clone) -> None:
    lines = [line.split() for line in run("list").splitlines()]
    assert [line[:2] for line in lines[1:]] == [["desk", "0.1.0"], ["shelf", "0.1.0"], ["shelf", "0.2.0"]]
    assert lines[2][2:] == [lines[2][2], facts(clone)[0]["commit"][:12], "0002"]


def facts(clone: Clone) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(run("list", "shelf", "--json"))
    return found


def test_the_list_of_one_service_as_json(clone: Clone) -> None:
    assert [(one["service"], one["version"], one["last_migration"]) for one in facts(clone)] == [
        ("shelf", "0.1.0", "0002"),
        ("shelf", "0.2.0", "0002"),
    ]


@pytest.mark.usefixtures("clone")
def test_an_unknown_service_is_named_with_those_that_exist() -> None:
    with pytest.raises(UserError, match="There is no service 'lamp': it is one of desk, shelf"):
        run("list", "lamp")


@pytest.mark.parametrize("command", [["shelf"], ["make", "shelf"], ["--json", "shelf"]])
def test_make_may_be_left_out(clone: Clone, command: list[str]) -> None:
    clone.set_version("shelf", "0.3.0")
    clone.commit()
    assert "0.3.0" in run(*command)
    assert (clone.root / "releases/shelf/0.3.0.toml").is_file()


@pytest.mark.usefixtures("clone")
def test_a_version_that_exists_is_refused() -> None:
    with pytest.raises(UserError, match=r"shelf 0\.2\.0 is released already"):
        run("shelf")
