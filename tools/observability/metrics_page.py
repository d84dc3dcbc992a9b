"""Reads docs/reference/metrics.md, and compares it with the metrics of a process."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "metrics.md"
SERVICES = tuple(sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml")))
OTHERS = {"The oracle": ("oracle",)}
"""Section → who has its metrics, for those that are no service."""
EVERY = "every"
ROLES = {EVERY: {"api", "worker", "all"}, "api": {"api", "all"}, "worker": {"worker", "all"}}
"""A word of the page's column `Role` → the roles that it means."""
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| (\w+) \| ([^|]*) \|", re.MULTILINE)


class Series(Protocol):
    """A metric as a process gives it."""

    @property
    def type(self) -> str: ...

    @property
    def help(self) -> str: ...

    @property
    def labels(self) -> frozenset[str]: ...


class Entry(NamedTuple):
    """A metric of the page, and the services that have it."""

    name: str
    type: str
    labels: frozenset[str]
    role: str
    meaning: str
    services: tuple[str, ...]


def entries_of(text: str) -> list[Entry]:
    """The rows of the page's tables. A section with the name of a service, or of OTHERS, is about it alone."""
    parts = SECTION.split(text)
    found = []
    for title, section in zip(parts[1::2], parts[2::2], strict=True):
        services = (title,) if title in SERVICES else OTHERS.get(title, SERVICES)
        for name, kind, labels, role, meaning in ROW.findall(section):
            found.append(
                Entry(name, kind, frozenset(re.findall(r"`(\w+)`", labels)), role, meaning.strip(), services)
            )
    return found


def metrics_by_name() -> dict[str, Entry]:
    """The metrics of the page, each with all services that have it."""
    found: dict[str, Entry] = {}
    for entry in entries_of(PAGE.read_text()):
        before = found.get(entry.name)
        services = (*before.services, *entry.services) if before else entry.services
        found[entry.name] = entry._replace(services=services)
    return found


def faults_of(page: Iterable[Entry], service: str, role: str, given: Mapping[str, Series]) -> list[str]:
    """The differences between the page and what one process of a service gives."""
    listed = {one.name: one for one in page if service in one.services and role in ROLES[one.role]}
    where = f"{service} ({role})"
    faults = [f"{where}: {name} is not on the page" for name in sorted(given.keys() - listed.keys())]
    faults += [f"{where}: nobody gives {name}" for name in sorted(listed.keys() - given.keys())]
    for name in sorted(given.keys() & listed.keys()):
        entry, found = listed[name], given[name]
        if entry.type != found.type:
            faults.append(f"{where}: {name} is a {found.type}, and the page says {entry.type}")
        if entry.labels != found.labels:
            faults.append(
                f"{where}: {name} has the labels {sorted(found.labels)}, not {sorted(entry.labels)}"
            )
        if not entry.meaning.startswith(found.help):
            faults.append(f"{where}: the page does not say of {name}: {found.help}")
    return faults
