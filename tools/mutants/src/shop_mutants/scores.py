"""Scores of mutmut, which changes one operator or one value at a time: `python -m shop_mutants.scores [PART]...`.

mutmut is in an environment of its own, whose packages come last on Python's path. It works in a copy of the tree.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_mutants import tree
from shop_mutants.running import servers
from shop_stack.paths import repository, shop_folder

BOOT = "import sys; sys.path.append(sys.argv.pop(1)); from mutmut.__main__ import cli; cli()"
"""Runs mutmut of another environment with the packages of this one."""
WORKERS = "2"
KILLED, SURVIVED, UNTESTED, TIMED_OUT = "killed", "survived", "no tests", "timeout"
STATUSES = {0: SURVIVED, 1: KILLED, 3: KILLED, 5: UNTESTED, 33: UNTESTED, 24: TIMED_OUT, 36: TIMED_OUT}
"""mutmut's exit codes of a mutant's tests. -24, 152 and 255 are time limits, too; any other code is no verdict."""


@dataclass(frozen=True)
class Part:
    """Files of one project that are mutated, and the tests that must notice.

    `left_out` are tests that judge the text of a file, which mutmut has changed as a whole.
    """

    project: str
    files: tuple[str, ...]
    tests: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    needs_servers: bool = False


PARTS = {
    "orders": Part(
        "services/orders",
        ("src/orders/domain.py",),
        ("tests/unit/test_domain.py",),
        ("tests/unit/test_domain.py::test_the_domain_imports_nothing_but_the_standard_library",),
    ),
    "inventory": Part("services/inventory", ("src/inventory/domain.py",), ("tests/unit",)),
    "payments": Part("services/payments", ("src/payments/domain.py",), ("tests/unit/test_domain.py",)),
    "notifications": Part(
        "services/notifications",
        ("src/notifications/domain.py",),
        ("tests/unit/test_notification_texts.py",),
    ),
    "analytics": Part(
        "services/analytics", ("src/analytics/domain.py",), ("tests/unit/test_joining_facts.py",)
    ),
    "inbox": Part(
        "libs/chassis",
        ("src/chassis/inbox/breaker.py", "src/chassis/inbox/rounds.py", "src/chassis/inbox/tries.py"),
        ("tests/test_breaker.py", "tests/test_inbox.py"),
        needs_servers=True,
    ),
    "outbox": Part(
        "libs/chassis",
        (
            "src/chassis/outbox/fence.py",
            "src/chassis/outbox/rows.py",
            "src/chassis/outbox/set_aside.py",
            "src/chassis/outbox/sharding.py",
        ),
        ("tests/test_fencing.py", "tests/test_set_aside.py", "tests/test_shards.py"),
        needs_servers=True,
    ),
}
"""The domains, and the parts of the inbox and the outbox that decide without a statement of their own."""


@dataclass(frozen=True)
class Score:
    """The number of mutants by what their tests said, and the names of those that were not killed."""

    part: str
    counts: Counter[str]
    left: tuple[str, ...]

    @property
    def percent(self) -> float:
        """Killed mutants per hundred. A mutant that made its tests run out of time counts as killed."""
        total = self.counts.total()
        return 100 * (self.counts[KILLED] + self.counts[TIMED_OUT]) / total if total else 0.0

    def as_json(self) -> dict[str, Any]:
        """The score for programs."""
        return {
            "part": self.part,
            "mutants": self.counts.total(),
            **self.counts,
            "percent": round(self.percent, 1),
            "left": self.left,
        }


def score(part: str, meta: Sequence[Path]) -> Score:
    """The score of a part, from the files in which mutmut keeps its results."""
    codes: dict[str, int | None] = {}
    for file in meta:
        codes |= json.loads(file.read_text())["exit_code_by_key"]
    statuses = {name: _status(code) for name, code in codes.items()}
    left = sorted(name for name, status in statuses.items() if status not in (KILLED, TIMED_OUT))
    return Score(part, Counter(statuses.values()), tuple(left))


def _status(code: int | None) -> str:
    return TIMED_OUT if code in (-24, 152, 255) else STATUSES.get(-1 if code is None else code, "no verdict")


def run(name: str, names: Sequence[str] = ()) -> Score:
    """Run mutmut on a part, in a copy of the tree. `names` are patterns of mutants; all without one.

    Raises CalledProcessError if mutmut itself fails, for example because a test fails without a mutant.
    """
    part = PARTS[name]
    environment = dict(os.environ)
    with ExitStack() as ended:
        folder = ended.enter_context(tempfile.TemporaryDirectory(prefix="shop-mutants-"))
        if part.needs_servers:
            environment["SHOP_TEST_STACK"] = str(ended.enter_context(servers(Path(folder))))
        copy = tree.copy(repository(), Path(folder) / "tree")
        project = copy.root / part.project
        (project / "pyproject.toml").write_text(configuration(part))
        others = [path for path in copy.python_path().split(os.pathsep) if path != str(project / "src")]
        subprocess.run(
            [sys.executable, "-c", BOOT, str(packages()), "run", "--max-children", WORKERS, *names],
            cwd=project,
            env={**environment, "PYTHONPATH": os.pathsep.join([*others, str(copy.root)])},
            stdout=sys.stderr,
            check=True,
        )
        return score(name, sorted((project / "mutants").rglob("*.meta")))


def packages() -> Path:
    """The packages of mutmut's own environment (`make mutate` makes it)."""
    (found,) = (shop_folder() / "mutation/environment/lib").glob("python*/site-packages")
    return found


def configuration(part: Part) -> str:
    """The pyproject.toml that a copied project gets: the settings of mutmut, and those of pytest."""
    left_out = [text for node in part.left_out for text in ("--deselect", node)]
    return "\n".join(
        [
            "[tool.mutmut]",
            'source_paths = ["src"]',
            f"only_mutate = {json.dumps(part.files)}",
            f"pytest_add_cli_args = {json.dumps(['-p', 'no:cacheprovider', *left_out])}",
            f"pytest_add_cli_args_test_selection = {json.dumps(part.tests)}",
            "use_git_change_detection = false",
            "[tool.pytest.ini_options]",
            'addopts = ["-p", "testkit.plugin", "--import-mode=importlib"]',
            'asyncio_mode = "auto"',
            "",
        ]
    )


def main(arguments: Sequence[str]) -> int:
    """Print the score of each part. The exit code is 0: a survivor needs a judgement, and is no failure by itself."""
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}; all without one"
    )
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    if unknown := sorted(set(chosen.parts) - set(PARTS)):
        parser.error(f"there is no part {unknown[0]}: choose from {', '.join(PARTS)}")
    scores = [run(name) for name in chosen.parts or PARTS]
    if chosen.json:
        print(json.dumps([one.as_json() for one in scores], indent=2))
        return 0
    for one in scores:
        print(f"{one.part}: {one.percent:.1f} % of {one.counts.total()} mutants are killed")
        for name in one.left:
            print(f"  left: {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
