"""The release that a running service is: by the commit that it names, else by its version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from shop_contracts.answer.running import UNKNOWN, Running
from shop_contracts.releases import git
from shop_contracts.releases.model import Api, Release
from shop_contracts.releases.release import all_of
from shop_contracts.releases.snapshot import Snapshot, snapshot

DIRTY = "-dirty"


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A service that runs, or should run, and whose code cannot be had."""

    service: str
    version: str
    why: str
    """A part of a sentence that names the service."""
    cure: str


def resolve(root: Path, found: Running) -> Release | Unresolved:
    """The release of a running service. Code of a commit that is no release becomes one for this answer only.

    Its version is then that of the manifest and the beginning of the commit: ``0.1.0+7be311ab2b01``.
    """
    service = found.service
    if found.silent:
        return Unresolved(
            service,
            "-",
            f"{service} does not say what runs: {found.silent}",
            f"see `shop status`, then `shop restart {service}`",
        )
    known = all_of(root, service)
    if found.revision == UNKNOWN:
        named = [release for release in known if release.version == found.version]
        return named[0] if named else _nameless(found)
    if found.revision.endswith(DIRTY):
        return Unresolved(
            service,
            f"{found.version} of {found.revision[:12]}{DIRTY}",
            f"{service} runs files that are in no commit",
            f"commit them and `shop restart {service}`, or `shop deploy {service}` a release",
        )
    for release in known:
        if release.commit == found.revision and release.version == found.version:
            return release
    said = snapshot(root, found.revision, service)
    if said is None:
        return Unresolved(
            service,
            f"{found.version} of {found.revision[:12]}",
            f"{service} runs the commit {found.revision[:12]}, which is not in this clone",
            "fetch it with `git fetch` (in a shallow clone `git fetch --unshallow`)",
        )
    same = [release for release in known if _same_code(release, said)]
    return same[-1] if same else _of_commit(root, found, said)


def _nameless(found: Running) -> Unresolved:
    return Unresolved(
        found.service,
        found.version,
        f"{found.service} says neither its commit nor the version of a release ({found.version})",
        f"`shop deploy {found.service}` a release, or build its image with SHOP_VERSION and SHOP_REVISION",
    )


def _same_code(release: Release, said: Snapshot) -> bool:
    """Whether a commit has the code and the expectations of a release. It may have more released texts of contracts."""
    mine = (release.trees.service, release.trees.chassis, dict(release.expectations))
    return mine == (said.trees.service, said.trees.chassis, dict(said.expectations))


def _of_commit(root: Path, found: Running, said: Snapshot) -> Release:
    day = git.ask(root, "show", "--no-patch", "--format=%cs", found.revision).decode().strip()
    return Release(
        service=found.service,
        version=f"{said.version}+{found.revision[:12]}",
        date=date.fromisoformat(day),
        commit=found.revision,
        trees=said.trees,
        lock=said.lock,
        migrations=said.migrations,
        publishes=dict.fromkeys(sorted(said.publishes), 0),
        reads=dict.fromkeys(sorted(said.reads), 0),
        api=Api(0),
        expectations=dict(said.expectations),
    )
