"""The verdict on the new migrations of each service: `shop contracts migrations`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shop_contracts.migrations.guard import breaks
from shop_contracts.migrations.offline import offline_sql
from shop_contracts.migrations.rules import RULES
from shop_contracts.migrations.scripts import Reviewed, Script, edited_since, new_since, scripts
from shop_contracts.migrations.sql import statements
from shop_contracts.migrations.squawk import squawk
from shop_contracts.migrations.tables import Tables
from shop_contracts.releases.release import Release, all_of, ordinal, services

SQUAWK = "squawk:"


@dataclass(frozen=True, slots=True)
class Finding:
    """A reason why a migration is refused. `name` is what an entry of `reviewed` is called."""

    service: str
    migration: str
    name: str
    reason: str
    cure: str

    @property
    def sentence(self) -> str:
        """The finding in words."""
        return f"{self.service} {self.migration}: {self.name}: {self.reason}. Way out: {self.cure}."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in the migrations of a service. `previous` is its last release; empty if it has none."""

    service: str
    previous: str
    new: tuple[str, ...]
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        """The verdict for programs."""
        found = [{**asdict(finding), "sentence": finding.sentence} for finding in self.findings]
        return {
            "service": self.service,
            "previous_release": self.previous or None,
            "new": list(self.new),
            "holds": not self.findings,
            "findings": found,
        }


def check(root: Path) -> list[Verdict]:
    """The verdict on each service. Raises UserError if a migration or a release is damaged, or cannot be compared."""
    return [_verdict(root, service) for service in services(root)]


def _verdict(root: Path, service: str) -> Verdict:
    row = scripts(root, service)
    releases = all_of(root, service)
    if not releases:
        return Verdict(service, "", (), ())
    last = releases[-1]
    new = new_since(row, last)
    findings = [_edited(service, script, last) for script in edited_since(root, row, last)]
    if new:
        known = [release.version for release in releases]
        for script, found in _found(root, service, row, new, last):
            findings += _not_reviewed(script, found, known)
    return Verdict(service, last.version, tuple(script.file.name for script in new), tuple(findings))


def _edited(service: str, script: Script, last: Release) -> Finding:
    return Finding(
        service,
        script.file.name,
        "edited",
        f"{service} {last.version} was released with another text of it, and databases have run that one",
        "take it back out of git, and write the change as a new migration",
    )


def _found(
    root: Path, service: str, row: Sequence[Script], new: Sequence[Script], last: Release
) -> Iterator[tuple[Script, list[Finding]]]:
    """Each new migration with everything that is found in it, reviewed or not."""
    sql = offline_sql(root, service)
    before = Tables()
    for script in row[: len(row) - len(new)]:
        for statement in statements(sql[script.revision]):
            before.add(statement)
    text, starts = _joined(sql, new)
    by_script: dict[str, list[Finding]] = {script.revision: [] for script in new}
    for broken in breaks(before, statements(text)):
        script = _at(starts, broken.line)
        rule = RULES[broken.rule]
        words = {"place": broken.place, "before": f"{service} {last.version}"}
        by_script[script.revision].append(
            Finding(
                service,
                script.file.name,
                f"{broken.rule} {broken.place}",
                rule.reason.format(**words),
                rule.cure.format(**words),
            )
        )
    for warned in squawk(text):
        script = _at(starts, warned.line)
        reason, cure = (part.rstrip(".") for part in (warned.message, warned.help))
        name = f"{SQUAWK}{warned.rule}"
        by_script[script.revision].append(Finding(service, script.file.name, name, reason, cure))
    yield from ((script, by_script[script.revision]) for script in new)


def _joined(sql: Mapping[str, str], new: Sequence[Script]) -> tuple[str, list[tuple[int, Script]]]:
    """(the SQL of the new migrations as one text, the line at which each one begins)."""
    text = ""
    starts = []
    for script in new:
        starts.append((text.count("\n") + 1, script))
        text += sql[script.revision] + "\n"
    return text, starts


def _at(starts: Sequence[tuple[int, Script]], line: int) -> Script:
    return [script for start, script in starts if start <= line][-1]


def _not_reviewed(script: Script, found: Sequence[Finding], known: Sequence[str]) -> Iterator[Finding]:
    """The findings that no exception of the migration covers, and the exceptions that cover nothing."""
    for finding in found:
        reviewed = script.reviewed.get(finding.name)
        if reviewed is None:
            yield finding
        elif not finding.name.startswith(SQUAWK) and (fault := _too_early(reviewed, known)):
            yield Finding(finding.service, finding.migration, finding.name, *fault)
    names = {finding.name for finding in found}
    service = script.file.parents[2].name
    for name in script.reviewed:
        if name not in names:
            yield Finding(
                service,
                script.file.name,
                name,
                "`reviewed` has this exception, and the migration does no such thing",
                "delete it from `reviewed`",
            )


def _too_early(reviewed: Reviewed, known: Sequence[str]) -> tuple[str, str] | None:
    """(reason, cure) if the previous release still needs what is taken away. `known` are releases, oldest first."""
    unread_after = reviewed.unread_after
    if unread_after not in known:
        named = f"{unread_after!r} is no release" if unread_after else "it names no release"
        return f"`reviewed` must say with `unread_after` which release was the last to need it; {named}", (
            f"name one of {', '.join(known)}"
        )
    if ordinal(unread_after) >= ordinal(known[-1]):
        return f"by `reviewed`, {unread_after} still needs it, and that is the last release", (
            "release code that does not need it, and add this migration after that release"
        )
    return None
