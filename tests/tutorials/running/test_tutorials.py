"""Each tutorial, executed as it is written, in a clone of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from shop_stack.ports import free_base
from tests.tutorials.pages import execute, steps

ROOT = Path(__file__).resolve().parents[3]
TUTORIALS = ROOT / "docs" / "tutorials"


CACHES = (".venv", ".mypy_cache", ".ruff_cache", ".import_linter_cache")
"""They stay from tutorial to tutorial, because a reader has them too: `make lint` has passed in the clone."""


@dataclass(frozen=True)
class Clone:
    """A clone of the repository, and the variables with which a reader works in it."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, *command: str) -> None:
        """Run a program, which must succeed."""
        subprocess.run(command, cwd=self.folder, env=self.environment, check=True)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """The folder of a clone of the files that git sees here, committed.

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
    new = Clone(folder, environment())
    new.run("git", "init", "--quiet")
    new.run("git", "add", "--all")
    new.run("git", "commit", "--quiet", "--message", "as it was")
    new.run("git", "tag", "as-it-was")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def clone(folder: Path) -> Iterator[Clone]:
    """The clone as it was, with its `.venv`. A tutorial leaves no file, no commit, no package and no process behind."""
    clone = Clone(folder, environment())
    clone.run("git", "reset", "--hard", "--quiet", "as-it-was")
    clone.run("git", "clean", "-d", "-x", "--force", "--quiet", *(f"--exclude={name}" for name in CACHES))
    (folder / ".venv/.ready").unlink(missing_ok=True)
    clone.run("make", "--silent", ".venv/.ready")
    yield clone
    clone.run(".venv/bin/shop", "down", "--wipe")


def environment() -> Mapping[str, str]:
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
def test_a_tutorial_does_what_it_says(page: Path, clone: Clone) -> None:
    for step in steps(page.read_text()):
        execute(step, clone.folder, clone.environment)


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


def test_a_new_service_passes_lint_and_tests_untouched(clone: Clone) -> None:
    for command in (
        ".venv/bin/shop new service billing",
        "git add --all && git commit --quiet --message billing",
        "make --silent lint",
        f".venv/bin/python -m pytest -q {' '.join(PASSING)}",
        ".venv/bin/python -m pytest -q tests/house/test_imports.py -k hold",
        "SHOP_ALONE=1 .venv/bin/python -m pytest -q tests/alone -k billing",
    ):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=clone.folder,
            env=clone.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}"
