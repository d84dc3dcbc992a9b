"""What was shipped since the start of a lab: releases in git, what runs of them, events, columns, dead letters.

Releases and columns are those of a lab with a clone of its own. A lab whose check looks at events has them, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shop.labs.database import database
from shop_contracts.answer.running import running
from shop_contracts.releases import git
from shop_contracts.releases.model import ordinal
from shop_observe.kafka_log import Entry, read_log
from shop_observe.topics import all_topics
from shop_stack.admin import ask
from shop_stack.target import Target

COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_name = $1"
DEAD_LETTERS = ".dead-letters"
RELEASES = "releases"
"""The folder of the releases in the repository."""


@dataclass(frozen=True, slots=True)
class Shipping:
    """Releases, running versions, events and columns."""

    released: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Service → the versions that were released and committed since the start, oldest first."""
    running: Mapping[str, str] = field(default_factory=dict)
    """Service → the version that it says at `/version`; empty if it does not answer."""
    events: Sequence[Entry] = ()
    """The events that were sent since the start, and the copies of dead letters, oldest first."""
    columns: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Service → the columns of the table that is called as it is."""
    open_letters: Mapping[str, int] = field(default_factory=dict)
    """Service → the number of its open dead letters."""

    def sent(self, type_: str) -> list[Entry]:
        """The events of a type, by its name or its whole type; without a version it is each version."""
        return [one for one in self.events if type_ in names_of(one.type)]

    def dead_letters(self, service: str) -> list[Entry]:
        """The copies of the dead letters of a service."""
        return [one for one in self.events if one.topic == f"{service}{DEAD_LETTERS}"]


def names_of(type_: str) -> set[str]:
    """The names by which a page may call an event type: with and without its owner, with and without its version."""
    name, _, _version = type_.rpartition(".")
    short = type_.partition(".")[2]
    return {type_, name, short, short.rpartition(".")[0]}


async def collect(root: Path, commit: str, at: float, target: Target) -> Shipping:
    """Everything that was shipped since a commit and a time, in seconds since 1970.

    Raises UserError if git lacks the commit, or if a database or Kafka does not answer.
    """
    log = await read_log(target, all_topics(target.contracts))
    since = sorted((one for one in log.entries if one.sent_ms >= at * 1000), key=lambda one: one.sent_ms)
    found = await running(target)
    return Shipping(
        released_since(root, commit),
        {service: "" if one.silent else one.version for service, one in found.items()},
        since,
        {service: await _columns(target, service) for service in found},
        {service: _open_letters(target, service) for service, one in found.items() if not one.silent},
    )


def released_since(root: Path, commit: str) -> dict[str, list[str]]:
    """Service → its releases that are in the last commit of a clone and not in an earlier one, oldest first.

    {} without a commit: the lab has no clone.
    """
    if not commit:
        return {}
    names = git.ask(root, "diff", "--name-only", "--diff-filter=A", commit, "HEAD", "--", RELEASES)
    found: dict[str, list[str]] = {}
    for name in sorted(names.decode().splitlines()):
        file = Path(name)
        found.setdefault(file.parent.name, []).append(file.stem)
    return {service: sorted(versions, key=ordinal) for service, versions in found.items()}


def _open_letters(target: Target, service: str) -> int:
    return len(ask(target, service, "GET", "/dead-letters", params={"state": "open"}))


async def _columns(target: Target, service: str) -> frozenset[str]:
    async with database(target, service) as connection:
        return frozenset(row[0] for row in await connection.fetch(COLUMNS, service))
