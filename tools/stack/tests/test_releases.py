"""A service of the embedded stack is told its version, and the commit of the clone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shop_stack import releases
from shop_stack.deployed import Deployed, clone
from shop_stack.venvs import Project


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    releases.revision.cache_clear()
    yield
    releases.revision.cache_clear()


def project(folder: Path, manifest: str) -> Project:
    (folder / "pyproject.toml").write_text(manifest)
    return Project("things", folder)


def git(folder: Path, *arguments: str) -> str:
    login = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    done = subprocess.run(["git", *login, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_version_is_that_of_the_manifest(tmp_path: Path) -> None:
    found = releases.environment_of(project(tmp_path, '[project]\nversion = "1.2.3"\n'))
    assert found["SHOP_VERSION"] == "1.2.3"
    assert found["SHOP_IMAGE"] == "unknown"


@pytest.mark.parametrize("manifest", ["", "[project]\n", "no toml"])
def test_a_version_that_is_not_written_down_is_unknown(tmp_path: Path, manifest: str) -> None:
    assert releases.version_of(project(tmp_path, manifest)) == "unknown"


def test_the_revision_is_the_commit_and_tells_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases, "repository", lambda: tmp_path)
    git(tmp_path, "init", "--quiet")
    file = tmp_path / "file"
    file.write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    git(tmp_path, "tag", "--annotate", "--message", "v1", "v1")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert releases.revision() == commit
    releases.revision.cache_clear()
    file.write_text("two")
    assert releases.revision() == f"{commit}-dirty"


def test_without_a_commit_the_revision_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "repository", lambda: tmp_path)
    git(tmp_path, "init", "--quiet")
    assert releases.revision() == "unknown"


def test_every_span_of_a_process_names_its_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=blue,service.version=9")
    release = Deployed("orders", "0.2.0+ab", tmp_path)
    attributes = "team=blue,service.version=0.2.0+ab"
    assert releases.span_attributes(release) == {"OTEL_RESOURCE_ATTRIBUTES": attributes}


def test_the_clone_is_told_apart_from_the_release_of_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_RESOURCE_ATTRIBUTES", raising=False)
    environment = releases.environment_of_release(clone("orders"))
    assert environment["OTEL_RESOURCE_ATTRIBUTES"] == "service.version=clone"
    assert environment["SHOP_VERSION"] != "clone"
