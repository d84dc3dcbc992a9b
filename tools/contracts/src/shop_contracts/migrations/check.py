"""The verdict on the new migrations of each service: `shop contracts migrations`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

from shop_contracts.migrations.breaks import RULES, breaks
from shop_contracts.migrations.catalog import catalogs
from shop_contracts.migrations.scripts import Script, edited_since, new_since, scripts, sql_of
from shop_contracts.migrations.squawk import squawk
from shop_contracts.releases.release import Release, all_of, ordinal, services
from shop_stack.postgres import Server
from shop_stack.servers import ServersOnly

SQUAWK = "squawk:"


class Finding(NamedTuple):
    """A reason why a migration is refused. `name` is what an entry of `reviewed` is called."""

    service: str
    migration: str
    name: str
    reason: str
    cure: str

    @property
    def sentence(self) -> str:
        """The finding in words."""
        return f"{self.service}/{self.migration}: {self.name}: {self.reason}. Way out: {self.cure}."


class Verdict(NamedTuple):
    """What was found in the migrations of a service. `previous_release` is its last one; empty if it has none."""

    service: str
    previous_release: str
    new: list[str]
    findings: list[Finding]

    def as_json(self) -> dict[str, Any]:
        """The verdict for programs."""
        found = [{**finding._asdict(), "sentence": finding.sentence} for finding in self.findings]
        return {**self._asdict(), "holds": not self.findings, "findings": found}


async def check(root: Path, server: Server | None = None) -> list[Verdict]:
    """The verdict on each service.

    `server` is a PostgreSQL for scratch databases. Without one, an embedded one is started for a new migration. Raises
    UserError if a migration or a release is damaged, or if a migration fails.
    """
    verdicts = []
    async with AsyncExitStack() as stack:
        for service in services(root):
            releases = all_of(root, service)
            if not releases:
                verdicts.append(Verdict(service, "", [], []))
                continue
            row = scripts(root, service)
            new = new_since(row, releases[-1])
            findings = list(_edited(root, row, releases[-1]))
            if new:
                if server is None:
                    servers = ServersOnly(Path(tempfile.mkdtemp(prefix="shop-contracts-")))
                    stack.push_async_callback(servers.stop)
                    server = await servers.start_postgres()
                found = await found_in(server, root / "services" / service, new, releases[-1])
                findings += unreviewed(found, service, new, [release.version for release in releases])
            names = [script.file.name for script in new]
            verdicts.append(Verdict(service, releases[-1].version, names, findings))
    return verdicts


def _edited(root: Path, row: Sequence[Script], last: Release) -> Iterator[Finding]:
    reason = (
        f"{last.service} {last.version} was released with another text of it, and databases have run that one"
    )
    cure = "take it back out of git, and write the change as a new migration"
    for file in edited_since(root, row, last):
        yield Finding(last.service, file.name, "edited", reason, cure)


async def found_in(server: Server, project: Path, new: Sequence[Script], last: Release) -> Sequence[Finding]:
    """Everything that is found in the new migrations of a service, reviewed or not."""
    files = {script.revision: script.file.name for script in new}
    released, *texts = sql_of(project, new)
    before, *later = await catalogs(server, project.name, [released, *texts])
    broken_by = {script.file.name: breaks(before, after) for script, after in zip(new, later, strict=True)}
    findings = []
    # A break that a later migration takes back is none. Another one belongs to the first migration that has it.
    for broken in sorted(broken_by[new[-1].file.name]):
        file = next(name for name, found in broken_by.items() if broken in found)
        rule, place = broken
        reason, cure = RULES.get(rule) or RULES["drop"]
        words = {"before": f"{last.service} {last.version}"}
        findings.append(
            Finding(last.service, file, f"{rule} {place}", reason.format(**words), cure.format(**words))
        )
    for warned in squawk("".join(("BEGIN;\n", *texts))):
        name = SQUAWK + warned.rule
        findings.append(Finding(last.service, files[warned.revision], name, warned.message, warned.cure))
    return findings


def unreviewed(
    found: Sequence[Finding], service: str, new: Sequence[Script], known: Sequence[str]
) -> Iterator[Finding]:
    """The findings without an exception, and the exceptions that do not count. `known` are releases, oldest first."""
    reviewed = {(script.file.name, name): facts for script in new for name, facts in script.reviewed.items()}
    for finding in found:
        facts = reviewed.pop((finding.migration, finding.name), None)
        if facts is None:
            yield finding
        elif not finding.name.startswith(SQUAWK):
            needed_by = facts.get("unread_after", "")
            if needed_by not in known:
                reason = f"`unread_after` must name the last release that needs it, and {needed_by!r} is none"
                yield finding._replace(reason=reason, cure=f"name one of {', '.join(known)}")
            elif ordinal(needed_by) >= ordinal(known[-1]):
                reason = f"by `reviewed`, {needed_by} needs it, and that is the last release"
                cure = "release code that does not need it, and add this migration after that release"
                yield finding._replace(reason=reason, cure=cure)
    for migration, name in reviewed:
        reason = "`reviewed` has this exception, and the migration does no such thing"
        yield Finding(service, migration, name, reason, "delete it")
