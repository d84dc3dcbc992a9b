"""The workflows have no hole that zizmor knows, and run no code that can change without a commit here."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
ZIZMOR = Path(sys.executable).parent / "zizmor"
USES = re.compile(r"^\s*(?:- )?uses:\s*(.+)$", re.MULTILINE)
BY_COMMIT = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
"""A commit cannot be moved. The comment says to people, and to Dependabot, which release it is."""
OF_THIS_COMMIT = re.compile(r"\./\.github/workflows/[\w-]+\.yml(?: # .*)?")
"""A workflow of this repository is that of the commit that runs."""

SOUND = """\
name: sound
on: push
permissions: {}
concurrency: {group: sound, cancel-in-progress: true}
jobs:
  check:
    name: check
    runs-on: ubuntu-24.04
    permissions:
      contents: read # for the checkout
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          persist-credentials: false
      - run: make lint
"""
HOLES = {
    "unpinned-uses": ("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7"),
    "artipacked": ("        with:\n          persist-credentials: false\n", ""),
    "excessive-permissions": ("permissions: {}", "permissions: write-all"),
    "dangerous-triggers": ("on: push", "on: pull_request_target"),
    "template-injection": ("make lint", "echo ${{ github.event.pull_request.title }}"),
}
"""zizmor's name for a hole → how to plant it: a part of the sound workflow, and its replacement."""


def zizmor(folder: Path) -> "subprocess.CompletedProcess[str]":
    """zizmor with the options of `make lint`."""
    (line,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if "/bin/zizmor " in line]
    options = line.split("/bin/zizmor ")[1].split()[:-1]
    command = [str(ZIZMOR), *options, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def workflow_faults(text: str) -> list[str]:
    """Actions that are not fixed by a commit, and rights to write."""
    loose = [
        uses
        for uses in USES.findall(text)
        if not BY_COMMIT.fullmatch(uses) and not OF_THIS_COMMIT.fullmatch(uses)
    ]
    faults = [f"{uses} is not a commit with its version" for uses in loose]
    workflow = yaml.safe_load(text)
    granted = [
        workflow.get("permissions"),
        *(job.get("permissions", {}) for job in workflow["jobs"].values()),
    ]
    return faults + [f"a right to write: {rights}" for rights in granted if "write" in str(rights)]


def plant(folder: Path, text: str) -> Path:
    """A repository that has this workflow alone."""
    (folder / ".github" / "workflows").mkdir(parents=True)
    (folder / ".github" / "workflows" / "planted.yml").write_text(text)
    return folder


def test_zizmor_finds_nothing_in_this_repository() -> None:
    found = zizmor(ROOT)
    assert found.returncode == 0, found.stdout


def test_zizmor_finds_nothing_in_a_sound_workflow(tmp_path: Path) -> None:
    found = zizmor(plant(tmp_path, SOUND))
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("hole", HOLES)
def test_a_hole_in_a_workflow_is_seen(tmp_path: Path, hole: str) -> None:
    old, new = HOLES[hole]
    assert old in SOUND
    found = zizmor(plant(tmp_path, SOUND.replace(old, new, 1)))
    assert found.returncode >= 10, found.stdout + found.stderr
    assert f"[{hole}]" in found.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_names_commits_with_their_versions_and_may_write_nothing(path: Path) -> None:
    assert workflow_faults(path.read_text()) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "not a commit"),
        (" # v7.0.1", "", "not a commit"),
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1", "@3d3c42e", "not a commit"),
        ("contents: read", "contents: write", "a right to write"),
        ("actions/checkout@", "./../elsewhere/checkout@v1 #", "not a commit"),
    ],
)
def test_a_loose_workflow_is_seen(old: str, new: str, fault: str) -> None:
    assert workflow_faults(SOUND) == []
    (found,) = workflow_faults(SOUND.replace(old, new))
    assert fault in found
