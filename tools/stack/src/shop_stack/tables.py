"""The releases that can run on the tables of a database.

A migration leaves the release before its own running, and no earlier one (docs/decisions/0043). So a release runs on
tables that it, an earlier release or the next release has made.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import NamedTuple

from shop_stack import paths
from shop_stack.errors import UserError


class Head(NamedTuple):
    """A release and its last migration."""

    version: str
    migration: str


class TooOld(NamedTuple):
    """The reason for which a release cannot run on the tables that a database has, and the way out."""

    reason: str
    way_out: str


def heads_of(service: str) -> list[Head]:
    """The releases of a service in this clone, oldest first. Raises UserError if a file is damaged."""
    heads = {}
    for file in (paths.repository() / "releases" / service).glob("*.toml"):
        try:
            number = tuple(int(part) for part in file.stem.split("."))
            heads[number] = Head(file.stem, str(tomllib.loads(file.read_text())["migrations"]["head"]))
        except (OSError, ValueError, KeyError, TypeError):
            shown = file.relative_to(paths.repository())
            raise UserError(f"{shown} is damaged: restore it with `git checkout -- {shown}`.") from None
    return [heads[number] for number in sorted(heads)]


def too_old(service: str, version: str, schema: str, heads: Sequence[Head]) -> TooOld | None:
    """The reason if the release cannot run on tables whose last migration is `schema`. None if it can.

    `heads` are the releases of the service, oldest first. A version that is not among them is code of this clone: it is
    not judged. A `schema` that no release has is that of the release that comes after the last one.
    """
    versions = [head.version for head in heads]
    if version not in versions or not schema:
        return None
    mine = versions.index(version)
    migrations = [head.migration for head in heads]
    # A release may have several migrations. Their numbers grow, so the first release that is not behind has made them.
    not_behind = (number for number, migration in enumerate(migrations) if migration >= schema)
    maker = migrations.index(schema) if schema in migrations else next(not_behind, len(heads))
    if maker <= mine + 1:
        return None
    by = f"{service} {versions[maker]}" if maker < len(heads) else f"code after {service} {versions[-1]}"
    return TooOld(
        f"{service} {version} does not run on the tables of {service}: their last migration is {schema}, made by {by}, "
        f"and a migration leaves only the release before it running.",
        f"deploy {service} {versions[maker - 1]} or a later release; {version} needs a shop with an empty database "
        "(`shop down --wipe`)",
    )
