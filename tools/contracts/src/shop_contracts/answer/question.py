"""The question "can this release be deployed there?", from what runs to the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shop_contracts.answer.decoding import Outcome, Read, read_all, run_decoder
from shop_contracts.answer.matrix import Answer, Row, sorted_rows
from shop_contracts.answer.pairs import Pair, Unwritten, pairs_of
from shop_contracts.answer.resolving import Unresolved, resolve
from shop_contracts.answer.rows import (
    row_of_tables,
    row_of_unknown_type,
    row_of_unresolved,
    row_of_unwritten,
    rows_of_messages,
    rows_of_pair,
)
from shop_contracts.answer.running import running
from shop_contracts.answer.scanned import add_log
from shop_contracts.answer.stored import Group, Groups, listed_of
from shop_contracts.answer.tables import add_letters, add_outbox
from shop_contracts.answer.unknown import unknown_types
from shop_contracts.answer.verifying import Compare, run_tests, verify
from shop_contracts.releases.model import Release
from shop_contracts.releases.release import read_unchecked, versions
from shop_stack import topics
from shop_stack.tables import Head, too_old
from shop_stack.target import Target

OnStep = Callable[[str], None]


def silent(_: str) -> None:
    """Report no step."""


@dataclass(frozen=True)
class Means:
    """How releases are compared and how messages are read. Tests replace them, because both build environments."""

    compare: Compare = run_tests
    read: Read = run_decoder


async def can_deploy(
    root: Path, release: Release, target: Target, on_step: OnStep = silent, means: Means | None = None
) -> Answer:
    """Whether the release can be deployed to the shop that runs, while everything else stays as it is.

    `on_step` is called with the name of each step that takes time.

    Raises UserError if a file is damaged, if the code of a release cannot be had, or if Kafka or a database cannot be
    read. A service that does not answer is a row of the answer, and a no.
    """
    means = means or Means()
    on_step("asking what runs")
    found = await running(target)
    beside = {name: resolve(root, one) for name, one in found.items()}
    replaced = beside.pop(release.service, None)
    rows = [row_of_unresolved(release.service, one) for one in beside.values() if isinstance(one, Unresolved)]
    if release.service in found:
        rows += _rows_of_tables(root, release, found[release.service].schema)
    others = [one for one in beside.values() if isinstance(one, Release)]
    rows += await _rows_of_pairs(root, release, others, on_step, means.compare)
    on_step("asking the readers of each topic which event types they know")
    rows += [
        row_of_unknown_type(release.service, one)
        for one in await unknown_types(root, release, others, means.read)
    ]
    on_step("reading topics, outboxes and dead letters")
    groups = await stored(root, release, target)
    on_step(f"{release.service} {release.version} reads a message of each shape")
    outcomes = await read_all(root, release, groups, means.read)
    known = await _refused_already(root, replaced, groups, outcomes, means.read)
    notes = [note_of(groups[number], outcomes[number]) for number in known]
    left = [number for number in range(len(groups)) if number not in known]
    rows += rows_of_messages(
        release.service, [groups[number] for number in left], [outcomes[number] for number in left]
    )
    return Answer(release.service, release.version, target.name, sorted_rows(rows), tuple(notes))


def _rows_of_tables(root: Path, release: Release, schema: str) -> list[Row]:
    """A row if the release does not run on the tables that its database has."""
    known = [read_unchecked(root, release.service, version) for version in versions(root, release.service)]
    heads = [Head(one.version, one.migrations.head) for one in known]
    found = too_old(release.service, release.version, schema, heads)
    return [] if found is None else [row_of_tables(release.service, schema, found)]


async def _rows_of_pairs(
    root: Path, release: Release, others: Sequence[Release], on_step: OnStep, compare: Compare
) -> list[Row]:
    found = pairs_of(root, release, others)
    rows = [row_of_unwritten(release.service, one) for one in found if isinstance(one, Unwritten)]
    pairs = [one for one in found if isinstance(one, Pair)]
    findings = await verify(root, pairs, on_step, compare)
    for number, pair in enumerate(pairs):
        rows += rows_of_pair(release.service, pair, findings[number])
    return rows


async def stored(root: Path, release: Release, target: Target) -> list[Group]:
    """The messages that the release may have to read, by shape. Raises UserError."""
    declared = topics.entries(root / "contracts")
    read = [str(topic["name"]) for topic in declared if set(topic["events"]) & set(release.reads)]
    groups = Groups(listed_of(root / "contracts", declared))
    compacted = {str(topic["name"]) for topic in declared if topic["cleanup_policy"] == "compact"}
    await add_log(groups, target, read, compacted)
    for owner, owned in _owned(declared, read).items():
        if owner in target.database_urls:
            await add_outbox(groups, target, owner, owned)
    if release.service in target.database_urls:
        await add_letters(groups, target, release.service)
    return groups.all()


def _owned(declared: topics.Entries, read: Sequence[str]) -> Mapping[str, list[str]]:
    """Owner → its topics among those that are read."""
    owned: dict[str, list[str]] = {}
    for topic in declared:
        if topic["name"] in read:
            owned.setdefault(str(topic["owner"]), []).append(str(topic["name"]))
    return owned


async def _refused_already(
    root: Path,
    replaced: Release | Unresolved | None,
    groups: Sequence[Group],
    outcomes: Sequence[Outcome],
    read: Read,
) -> list[int]:
    """The numbers of the groups that neither the release nor the present one can read.

    Such a message is a dead letter now, and the release does not make it worse.
    """
    refused = [number for number, outcome in enumerate(outcomes) if outcome is not None]
    if refused and isinstance(replaced, Release):
        before = await read_all(root, replaced, [groups[number] for number in refused], read)
        return [number for number, outcome in zip(refused, before, strict=True) if outcome is not None]
    return [number for number in refused if groups[number].source == "dead letters"]


def note_of(group: Group, outcome: Outcome) -> str:
    """A sentence about messages that no release reads."""
    detail = outcome.detail if outcome else ""
    place = f"{group.first.place} ({group.count:,} of this shape)"
    return f"{place} cannot be read by the present release either: {detail}."
