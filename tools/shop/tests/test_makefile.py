"""The Makefile: it says what it can do, and what it cannot is one sentence with the cure."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOLS = tuple(sorted(path.parent.name for path in ROOT.glob("tools/*/pyproject.toml")))
DURATION = r"(about \d+ (seconds|minutes?)|a few minutes)"
NOWHERE = "http://127.0.0.1:9"
"""A proxy that refuses every connection: a machine without network."""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone as far as the Makefile looks at it before anything is installed. Its path has a space."""
    clone = tmp_path / "a clone"
    clone.mkdir()
    shutil.copy(ROOT / "Makefile", clone)
    shutil.copy(ROOT / "requirements-dev.txt", clone)
    shutil.copy(ROOT / "requirements-uv.txt", clone)
    for project in ("libs/chassis", "libs/testkit", *(f"tools/{name}" for name in TOOLS)):
        (clone / project).mkdir(parents=True)
        shutil.copy(ROOT / project / "pyproject.toml", clone / project)
    return clone


def make(clone: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """make with this Python, without uv on the PATH, with an empty home and no network."""
    (clone / "bin").mkdir(exist_ok=True)
    (clone / "bin" / "python3").unlink(missing_ok=True)
    (clone / "bin" / "python3").symlink_to(Path(sys.executable).resolve())
    surroundings = {
        "PATH": f"{clone / 'bin'}:/usr/bin:/bin",
        "HOME": str(clone / "home"),
        "HTTP_PROXY": NOWHERE,
        "HTTPS_PROXY": NOWHERE,
        **environment,
    }
    return subprocess.run(
        ["make", *arguments], cwd=clone, env=surroundings, capture_output=True, text=True, check=False
    )


def sentences(result: subprocess.CompletedProcess[str]) -> list[str]:
    """What make says to a person, without its own mark of where it stopped."""
    return [line for line in result.stderr.splitlines() if not line.startswith("make: ***")]


def test_without_a_target_it_lists_what_it_can_do(clone: Path) -> None:
    result = make(clone)
    assert result.returncode == 0
    for target in ("demo", "test", "lint", "up", "down", "help"):
        assert f"make {target} " in result.stdout


def test_the_help_lists_the_tests_of_each_project_and_how_long_they_take() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    told = dict(re.findall(r"^  make (test\S*) +(.+)$", listed, re.MULTILINE))
    services = {f"test-{path.parent.name}" for path in ROOT.glob("services/*/pyproject.toml")}
    for target in ("test", "test-chassis", *services):
        assert re.search(DURATION, told[target]), target


@pytest.mark.parametrize(
    ("target", "folder"),
    [
        ("test-orders", "services/orders"),
        ("test-payments", "services/payments"),
        ("test-chassis", "libs/chassis"),
    ],
)
def test_one_project_can_be_tested_alone(target: str, folder: str) -> None:
    shown = subprocess.run(
        ["make", "--no-print-directory", "-n", target, "ARGS="],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    assert shown.strip().splitlines()[-1].strip() == f".venv/bin/python -m pytest {folder}"


@pytest.mark.parametrize("service", sorted(path.parent for path in ROOT.glob("services/*/pyproject.toml")))
def test_each_service_says_how_its_tests_are_run_and_how_long_they_take(service: Path) -> None:
    page = (service / "README.md").read_text()
    assert re.search(rf"^make test-{service.name} +# {DURATION}$", page, re.MULTILINE)
    assert "uv pip" not in page


def test_without_network_there_is_one_sentence_and_no_output_of_pip(clone: Path) -> None:
    result = make(clone, "up")
    assert result.returncode != 0
    (sentence,) = sentences(result)
    assert sentence.startswith("make: uv could not be installed: connect to the network or set HTTPS_PROXY")
    assert (clone / ".shop" / "setup.log").stat().st_size > 0


def test_without_network_but_with_uv_there_is_one_sentence_too(clone: Path) -> None:
    from shop_stack import venvs

    result = make(clone, "up", UV=str(venvs.uv()), UV_HTTP_RETRIES="0")
    assert result.returncode != 0
    (sentence,) = sentences(result)
    assert sentence.startswith("make: the packages could not be installed: connect to the network")


def test_the_clones_own_uv_is_run_although_its_path_has_a_space(clone: Path) -> None:
    own = clone / ".shop" / "uv" / "bin" / "uv"
    own.parent.mkdir(parents=True)
    own.write_text('#!/bin/sh\necho "$1 $2" >>uv.log\n')
    own.chmod(0o755)
    make(clone, "up")
    assert (clone / "uv.log").read_text().splitlines() == ["venv --quiet", "pip sync", "pip install"]


def test_a_python_that_is_missing_or_too_old_is_named(clone: Path) -> None:
    result = make(clone, "up", "PYTHON=python0")
    assert result.returncode != 0
    assert sentences(result)[-1].startswith(
        "make: python0 is missing or older than 3.11: install a newer Python"
    )


@pytest.mark.parametrize(
    ("target", "surroundings", "sentence"),
    [
        ("test-compose", {"DOCKER_HOST": "tcp://127.0.0.1:9"}, "make: no container engine answers"),
        (
            "test-k8s",
            {"KUBECONFIG": "/dev/null"},
            "make: no cluster with the shop on it answers: set KUBECONFIG",
        ),
    ],
)
def test_without_an_engine_or_a_cluster_there_is_one_sentence(
    target: str, surroundings: dict[str, str], sentence: str
) -> None:
    """In this repository, where everything is installed: what is missing is elsewhere."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "ARGS"))}
    result = subprocess.run(
        ["make", target], cwd=ROOT, env=inherited | surroundings, capture_output=True, text=True, check=False
    )
    assert result.returncode != 0
    (said,) = sentences(result)
    assert said.startswith(sentence)


def test_the_check_of_workflows_says_that_it_needs_go(clone: Path) -> None:
    result = make(clone, "check-workflows")
    assert result.returncode != 0
    assert sentences(result) == [
        "make: go is missing and actionlint is made with it: install Go 1.25 or later."
    ]
