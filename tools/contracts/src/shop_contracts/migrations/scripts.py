"""The migrations of a service as files: their order, those that are new, and their reviewed exceptions.

A file is parsed and not imported. An exception is data in it:

    reviewed = {
        "drop-column orders.reason": {
            "unread_after": "0.2.0",  # the last release that needs it
            "reason": "0.3.0 reads and writes reason_code alone",
        },
        "squawk:require-concurrent-index-creation": {"reason": "orders has 2,000 rows at most"},
    }
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_contracts.releases import git
from shop_contracts.releases.model import Release
from shop_stack.errors import UserError

KEYS = frozenset(("reason", "unread_after"))


@dataclass(frozen=True)
class Reviewed:
    """An exception that a person has reviewed."""

    reason: str
    unread_after: str
    """The last release that needs what the migration takes away. Empty for a finding of squawk."""


@dataclass(frozen=True)
class Script:
    """One migration."""

    file: Path
    revision: str
    before: str
    """The revision before it; empty for the first."""
    reviewed: Mapping[str, Reviewed]
    """Finding → why it is accepted."""


def scripts(root: Path, service: str) -> list[Script]:
    """The migrations of a service, the first one first.

    Raises UserError if a file is damaged, or if they are not a single row of which each follows the one before it.
    """
    folder = root / "services" / service / "migrations" / "versions"
    by_parent: dict[str, Script] = {}
    for file in sorted(folder.glob("*.py")):
        script = _script(root, file)
        if script.before in by_parent:
            other = by_parent[script.before].file.name
            raise UserError(
                f"{other} and {file.name} of {service} both follow {script.before or 'nothing'}: let one follow the "
                "other, with `down_revision`."
            )
        by_parent[script.before] = script
    row: list[Script] = []
    while (following := by_parent.pop(row[-1].revision if row else "", None)) is not None:
        row.append(following)
    if by_parent:
        lost = next(iter(by_parent.values()))
        raise UserError(
            f"{lost.file.name} of {service} follows {lost.before}, which no migration is: correct it."
        )
    return row


def new_since(row: list[Script], release: Release | None) -> list[Script]:
    """The migrations that a release does not have; none if there is no release, because it could not break one.

    Raises UserError if the release ends with a migration that is gone.
    """
    if release is None:
        return []
    revisions = [script.revision for script in row]
    if release.migrations.head not in revisions:
        raise UserError(
            f"The migration {release.migrations.head} of {release.service} {release.version} is gone, and databases "
            "have it: take it back out of git."
        )
    return row[revisions.index(release.migrations.head) + 1 :]


def edited_since(root: Path, row: list[Script], release: Release) -> list[Script]:
    """The migrations of a release whose text has changed since. Empty if the clone lacks the release's commit."""
    released = row[: len(row) - len(new_since(row, release))]
    names = [f"{release.commit}:{script.file.relative_to(root)}" for script in released]
    found = git.hashes(root, names) if names else []
    return [
        script
        for script, expected in zip(released, found, strict=True)
        if expected is not None and git.blob_hash(script.file.read_bytes(), len(expected)) != expected
    ]


def _script(root: Path, file: Path) -> Script:
    shown = file.relative_to(root)
    try:
        module = ast.parse(file.read_text())
        names = {
            target.id: node.value
            for node in module.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        revision = _literal(names["revision"])
        before = _literal(names["down_revision"]) or ""
        reviewed = _literal(names["reviewed"]) if "reviewed" in names else {}
    except (SyntaxError, ValueError, KeyError) as error:
        raise UserError(
            f"{shown} is no migration ({error}): `revision`, `down_revision` and `reviewed` are constants."
        ) from None
    if not isinstance(before, str):
        raise UserError(f"{shown} follows several migrations: let it follow one.")
    return Script(file, str(revision), before, _exceptions(shown, reviewed))


def _literal(node: ast.expr | None) -> Any:
    if node is None:
        raise ValueError("a name has no value")
    return ast.literal_eval(node)


def _exceptions(shown: Path, reviewed: Any) -> dict[str, Reviewed]:
    if not isinstance(reviewed, dict):
        raise UserError(f"`reviewed` of {shown} must be a dict: finding → reason.")
    found = {}
    for finding, facts in reviewed.items():
        if not isinstance(facts, dict) or not facts.get("reason") or not KEYS.issuperset(facts):
            raise UserError(f"`reviewed` of {shown} needs a `reason` for {finding!r}, and `unread_after`.")
        found[str(finding)] = Reviewed(str(facts["reason"]), str(facts.get("unread_after", "")))
    return found
