"""Each tutorial, executed as it is written, in a copy of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from shop_stack.ports import free_base
from tests.tutorials.pages import execute, steps

ROOT = Path(__file__).resolve().parents[3]
TUTORIALS = ROOT / "docs" / "tutorials"


@pytest.fixture
def clone() -> Iterator[Path]:
    """A clone of what git sees here, committed and with its `.venv`, as each page asks for.

    Any user may enter it, because PostgreSQL runs as another user if this one is root.
    """
    folder = Path(tempfile.mkdtemp(prefix="shop-tutorial-"))
    folder.chmod(0o755)
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    commit(folder)
    subprocess.run(["make", "--silent", ".venv/.ready"], cwd=folder, env=environment(folder), check=True)
    yield folder
    shutil.rmtree(folder)


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=tutorial", "-c", "user.email=tutorial@shop.example"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True)


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "as it was")


def environment(folder: Path) -> Mapping[str, str]:
    """That of a reader: no state, environment or server of the stack that this test may run beside."""
    foreign = ("SHOP_", "PYTEST_", "VIRTUAL_ENV", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {
        "GIT_AUTHOR_NAME": "reader",
        "GIT_AUTHOR_EMAIL": "reader@shop.example",
        "GIT_COMMITTER_NAME": "reader",
        "GIT_COMMITTER_EMAIL": "reader@shop.example",
        "SHOP_PORT_BASE": str(free_base()),
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }


@pytest.mark.parametrize("page", sorted(TUTORIALS.glob("add-*.md")), ids=lambda page: page.stem)
def test_a_tutorial_does_what_it_says(page: Path, clone: Path) -> None:
    for step in steps(page.read_text()):
        execute(step, clone, environment(clone))


PASSING = (
    "tests/house/test_layout.py",
    "tests/house/test_subscriptions.py",
    "tests/house/test_sizes.py",
    "tests/house/test_domain.py",
    "tests/house/test_addresses.py",
    "tests/contracts",
    "tests/docs/test_plain_words.py",
    "tests/docs/test_references.py",
    "tests/docs/test_reference_pages.py",
    "tests/docs/test_saga_table.py",
    "tests/compose",
    "tests/kubernetes",
    "tests/supply/test_pipelines.py",
    "tools/shop/tests/test_new_service.py",
    "tests/tutorials",
    "services/billing",
)
"""The tests that look at each service, and the new one's own."""


def test_a_new_service_passes_lint_and_tests_untouched(clone: Path) -> None:
    for command in (
        ".venv/bin/shop new service billing",
        "git add --all && git commit --quiet --message billing",
        "make --silent lint",
        f".venv/bin/python -m pytest -q {' '.join(PASSING)}",
        '.venv/bin/python -m pytest -q tests/house/test_imports.py tests/house/test_alone.py -k "hold or billing"',
    ):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=clone,
            env=environment(clone),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}"
