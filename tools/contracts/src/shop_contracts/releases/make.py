"""`shop release`: a release is made of the last commit of the clone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

from shop_contracts.releases import git
from shop_contracts.releases.model import Api, Release, ordinal
from shop_contracts.releases.providers import require_provider
from shop_contracts.releases.release import (
    exists_already,
    file_of,
    require_service,
    versions,
    write,
)
from shop_contracts.releases.snapshot import FOLDERS, Snapshot, snapshot
from shop_contracts.releases.texts import FrozenTexts, freeze_texts, frozen_files
from shop_stack.errors import UserError

MOST_NAMED = 3
"""The most changed files that an error names."""

Freeze = Callable[[Path, Snapshot, str], FrozenTexts]


def make(root: Path, service: str, today: date, freeze: Freeze = freeze_texts) -> tuple[Release, list[Path]]:
    """Write the file of a new release, and the texts of its contracts that were not released yet.

    Returns the release and the files that were written. If it fails, no file is left.

    Raises UserError if there is no such service, if a file of the release is not committed, if the version has been
    released or is no version, if the CHANGELOG does not have it, or if an expectation names no provider.
    """
    require_service(root, service)
    refuse_uncommitted(root, service)
    commit = git.head(root)
    said = snapshot(root, commit, service)
    assert said is not None  # the clone has the commit that it is at
    refuse_version(root, service, said.version)
    for provider in said.expectations:
        require_provider(root, service, provider)
    before = frozen_files(root)
    try:
        texts = freeze(root, said, service)
        release = _release(service, said, commit, today, texts)
        file = write(root, release)
    except BaseException:
        for written in frozen_files(root) - before:
            written.unlink()
        raise
    return release, [file, *sorted(frozen_files(root) - before)]


def _release(service: str, said: Snapshot, commit: str, today: date, texts: FrozenTexts) -> Release:
    return Release(
        service=service,
        version=said.version,
        date=today,
        commit=commit,
        trees=said.trees,
        lock=said.lock,
        migrations=said.migrations,
        publishes=dict(texts.publishes),
        reads=dict(texts.reads),
        api=Api(texts.openapi),
        expectations=dict(said.expectations),
    )


def refuse_uncommitted(root: Path, service: str) -> None:
    """Raise UserError if a file that belongs to the release differs from the last commit.

    New files in a folder `released` are no such difference. `shop release` of another service may have written them.
    """
    found = git.changed(root, [f"services/{service}", *FOLDERS])
    paths = [path for state, path in found if not (state in ("??", "A ") and "/released/" in path)]
    if paths:
        named = ", ".join(paths[:MOST_NAMED])
        more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
        raise UserError(
            f"A release is made of a commit. These files were changed after the last one: {named}{more}. "
            "Commit or undo the changes."
        )


def refuse_version(root: Path, service: str, version: str) -> None:
    """Raise UserError if the version cannot be that of the next release."""
    number = ordinal(version)
    if file_of(root, service, version).exists():
        raise exists_already(service, version)
    known = versions(root, service)
    if known and number < ordinal(known[-1]):
        raise UserError(
            f"{service} {version} would be older than its last release, {known[-1]}: raise the version in "
            f"services/{service}/pyproject.toml and in its CHANGELOG.md, and commit both."
        )
    changelog = root / "services" / service / "CHANGELOG.md"
    text = changelog.read_text() if changelog.is_file() else ""
    if not re.search(rf"^## \[?{re.escape(version)}\b", text, re.MULTILINE):
        raise UserError(
            f"services/{service}/CHANGELOG.md has no heading `## {version}`: write what this release changes, and "
            "commit it."
        )
