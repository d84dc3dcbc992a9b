"""The migrations of a service: those that are new, those that were edited, and their reviewed exceptions.

An exception is data in the file of a migration:

    reviewed = {
        "drop-column orders.reason": {
            "unread_after": "0.2.0",  # the last release that needs it
            "reason": "0.3.0 reads and writes reason_code alone",
        },
        "squawk:require-concurrent-index-creation": {"reason": "orders has 2,000 rows at most"},
    }
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from alembic.script import ScriptDirectory

from shop_contracts.releases import git
from shop_contracts.releases.model import Release
from shop_stack.errors import UserError

HEADING = re.compile(r"^(?=-- Running upgrade )", re.MULTILINE)
"""Before the first line of a migration in the SQL that Alembic writes."""
CHASSIS = "libs/chassis/src/chassis/postgres/sql"


class Script(NamedTuple):
    """One migration. `reviewed` has its exceptions: finding → facts."""

    file: Path
    revision: str
    reviewed: Mapping[str, Mapping[str, str]]


def scripts(root: Path, service: str) -> list[Script]:
    """The migrations of a service, the first one first. Raises UserError if they are no single row, or damaged."""
    try:
        directory = ScriptDirectory(str(root / "services" / service / "migrations"))
        found = list(directory.walk_revisions(base="base", head=directory.get_current_head() or "base"))
    except Exception as error:  # the files are imported, and may raise anything
        raise UserError(f"The migrations of {service} cannot be read: {error}.") from None
    return [
        Script(Path(one.path), one.revision, _exceptions(Path(one.path), one.module))
        for one in reversed(found)
    ]


def new_since(row: Sequence[Script], release: Release) -> list[Script]:
    """The migrations that a release does not have. Raises UserError if its last one is gone."""
    revisions = [script.revision for script in row]
    if release.migrations.head not in revisions:
        raise UserError(
            f"The migration {release.migrations.head} of {release.service} {release.version} is gone, and databases "
            "have it: take it back out of git."
        )
    return list(row[revisions.index(release.migrations.head) + 1 :])


def edited_since(root: Path, row: Sequence[Script], release: Release) -> list[Path]:
    """The migrations of a release, the chassis' own included, whose text has changed since.

    Empty if the clone lacks the release's commit.
    """
    files = [*(script.file for script in row), *sorted((root / CHASSIS).glob("migrations_*.sql"))]
    hashes = git.hashes(root, [f"{release.commit}:{file.relative_to(root)}" for file in files])
    return [
        file
        for file, expected in zip(files, hashes, strict=True)
        if expected is not None and git.blob_hash(file.read_bytes(), len(expected)) != expected
    ]


def sql_of(project: Path, new: Sequence[Script]) -> list[str]:
    """The SQL of all migrations as Alembic writes it, in one transaction: of the released ones, then of each new one.

    Raises UserError if Alembic cannot write it.
    """
    command = [sys.executable, "-m", "alembic", "upgrade", new[-1].revision, "--sql"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no reason"])[-1]
        raise UserError(
            f"The migrations of {project.name} cannot be written as SQL ({said[:200]}): let them use `op` alone, and "
            f"ask the database nothing. `cd services/{project.name} && alembic upgrade head --sql` shows the place."
        )
    texts = HEADING.split(done.stdout)
    return ["".join(texts[: -len(new)]), *texts[-len(new) :]]


def _exceptions(file: Path, module: Any) -> Mapping[str, Mapping[str, str]]:
    reviewed = getattr(module, "reviewed", {})
    if not isinstance(reviewed, dict) or not all(map(_is_exception, reviewed.values())):
        raise UserError(
            f'`reviewed` of {file.name} must be: {{finding: {{"unread_after": …, "reason": …}}}}.'
        )
    return reviewed


def _is_exception(facts: Any) -> bool:
    return isinstance(facts, dict) and "reason" in facts and {"reason", "unread_after"}.issuperset(facts)
