"""Runs tests in a copy of the tree, with the Python and the packages of this process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shop_mutants.results import FILE, ORIGINAL, TESTS
from shop_mutants.tree import Tree

OPTIONS = (
    "--quiet",
    # A service has settings of its own. With them, the node ids of its tests would begin in its folder.
    "--rootdir=.",
    "--config-file=pyproject.toml",
    "--continue-on-collection-errors",
    *("-p", "shop_mutants.results"),
    *("-p", "no:cacheprovider"),
)


@dataclass(frozen=True)
class Outcome:
    """The outcome of one test: passed, failed, error (in a fixture), skipped, or collected (it did not begin)."""

    outcome: str
    message: str


@dataclass(frozen=True)
class Results:
    """The outcomes of tests by their node ids. `problem` is the reason if the run as a whole tells nothing."""

    outcomes: dict[str, Outcome]
    problem: str | None = None

    def of(self, node: str) -> list[Outcome]:
        """The outcomes of a test: several if it has parameters, none if it was not found."""
        return [found for id, found in self.outcomes.items() if id == node or id.startswith(f"{node}[")]


def run(tree: Tree, nodes: Sequence[str], stack: Path, seconds: float) -> Results:
    """Run tests in the copy. `stack` is the state file of the servers. The run is killed after `seconds`."""
    with tempfile.TemporaryDirectory(prefix="shop-mutants-results-") as folder:
        results, log = Path(folder) / "results.json", Path(folder) / "pytest.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *OPTIONS, *_files(tree, nodes)],
                cwd=tree.root,
                env={**_environment(tree, stack, results), TESTS: "\n".join(nodes)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return Results({}, f"the tests did not end within {seconds:.0f} s")
        finally:
            _kill(process)
        return _read(results, log.read_text(errors="replace"))


def _files(tree: Tree, nodes: Sequence[str]) -> list[str]:
    """The files of these tests that exist. pytest would run nothing if one is missing."""
    files = {node.split("::")[0] for node in nodes}
    return sorted(file for file in files if (tree.root / file).is_file())


def _environment(tree: Tree, stack: Path, results: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SHOP_"))}
    return {
        **kept,
        "PYTHONPATH": tree.python_path(),
        "SHOP_TEST_STACK": str(stack),
        FILE: str(results),
        ORIGINAL: str(tree.original),
    }


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the run with all processes that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _read(file: Path, output: str) -> Results:
    try:
        facts = json.loads(file.read_text())
    except (OSError, ValueError):
        return Results({}, f"pytest did not end in order: {' '.join(output.split())[-300:]}")
    if facts["strangers"]:
        names = ", ".join(facts["strangers"][:3])
        return Results({}, f"the working tree was imported instead of its copy: {names}")
    return Results({id: Outcome(**found) for id, found in facts["tests"].items()})
