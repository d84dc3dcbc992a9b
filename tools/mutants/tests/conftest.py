"""A small repository: one function, its tests, and mutants of it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

SOURCE = """def limit(tries: int) -> bool:
    return tries < 4
"""
TESTS = """from counting import limit


def test_the_fourth_try_is_the_last_one():
    assert not limit(4), "a fifth try"


def test_a_first_try_is_allowed():
    assert limit(0)


def test_it_fails_without_a_mutant():
    assert limit(9)
"""

AddMutant = Callable[..., None]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The repository, without mutants."""
    root = tmp_path / "repository"
    (root / "libs/counting/src").mkdir(parents=True)
    (root / "libs/counting/src/counting.py").write_text(SOURCE)
    (root / "tests").mkdir()
    (root / "tests/test_limit.py").write_text(TESTS)
    (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (root / ".gitignore").write_text("ignored\n")
    (root / "ignored").write_text("a large file\n")
    (root / "chaos/mutants").mkdir(parents=True)
    (root / "chaos/mutants/mutants.yaml").write_text("[]")
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    return root


@pytest.fixture
def add_mutant(repository: Path) -> AddMutant:
    """add_mutant(name, before, after, test, message): a mutant that replaces a text of the source."""

    def add(name: str, before: str, after: str, test: str, message: str = "") -> None:
        lines = [
            "--- a/libs/counting/src/counting.py",
            "+++ b/libs/counting/src/counting.py",
            "@@ -1,2 +1,2 @@",
            " def limit(tries: int) -> bool:",
            f"-    {before}",
            f"+    {after}",
            "",
        ]
        folder = repository / "chaos/mutants"
        (folder / f"{name}.patch").write_text("\n".join(lines))
        entry = {
            "name": name,
            "without": "the limit",
            "from": "pattern",
            "caught_by": [f"tests/test_limit.py::{test}"],
            "message": message,
        }
        file = folder / "mutants.yaml"
        file.write_text(yaml.safe_dump([*yaml.safe_load(file.read_text()), entry]))

    return add
