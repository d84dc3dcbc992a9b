"""Asks a vulnerability service, through pip-audit, about every package in the locks of this repository."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_stack.errors import UserError

LOCKS = ("tools/*/*requirements.txt", "services/*/requirements.txt", "requirements*.txt")
PROGRAM = Path(".shop/supply/environment/bin/pip-audit")
"""Where `make audit` installs it, from requirements-supply.txt."""
AWAY = "the vulnerability service is not reachable"
SIGNS_OF_AWAY = re.compile(r"connect|proxy|timed? ?out|resolve|ssl|ServiceError|HTTPError", re.IGNORECASE)
"""In pip-audit's complaint: the service could not be asked, or it answered with an error of its own."""


@dataclass(frozen=True)
class Vulnerability:
    """A published vulnerability of a version that a lock names."""

    lock: str
    package: str
    version: str
    id: str
    fixed_in: tuple[str, ...]


@dataclass(frozen=True)
class NotChecked:
    """A lock, or one package of it, about which the service said nothing."""

    lock: str
    package: str | None
    reason: str


@dataclass(frozen=True)
class Audit:
    """What is known about all locks."""

    checked: int
    """How many locked versions the service answered for; one that stands in two locks counts twice."""
    vulnerabilities: tuple[Vulnerability, ...]
    not_checked: tuple[NotChecked, ...]


def locks(root: Path) -> list[Path]:
    """Every lock of the repository: of the services, the tools, and the environments of development."""
    return [path for pattern in LOCKS for path in sorted(root.glob(pattern))]


def audit(root: Path) -> Audit:
    """Ask about each lock in turn. After the service did not answer once, it is not asked again.

    Raises UserError if pip-audit is not installed or cannot read a lock.
    """
    checked = 0
    found: list[Vulnerability] = []
    missed: list[NotChecked] = []
    for path in locks(root):
        name = str(path.relative_to(root))
        is_away = any(miss.package is None for miss in missed)
        packages = None if is_away else ask(root, path)
        if packages is None:
            missed.append(NotChecked(name, None, AWAY))
            continue
        found += [vulnerability for package in packages for vulnerability in vulnerabilities(name, package)]
        skipped = [package for package in packages if "skip_reason" in package]
        missed += [NotChecked(name, package["name"], package["skip_reason"]) for package in skipped]
        checked += len(packages) - len(skipped)
    return Audit(checked, tuple(found), tuple(missed))


def ask(root: Path, lock: Path) -> Sequence[dict[str, Any]] | None:
    """What the service says about each package of a lock, as pip-audit reports it.

    None if the service is not reachable, or knows no package of the lock.

    Raises UserError if pip-audit is not installed, or fails for another reason.
    """
    command = [str(root / PROGRAM), "--requirement", str(lock), "--require-hashes", "--disable-pip"]
    output = ["--format", "json", "--desc", "off", "--progress-spinner", "off"]
    try:
        asked = subprocess.run([*command, *output], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError("pip-audit is not installed: run `make audit`, which installs it first.") from None
    # Its exit code is 1 for a vulnerability and for a failure. Only a report tells them apart.
    try:
        packages: Sequence[dict[str, Any]] = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError):
        if SIGNS_OF_AWAY.search(asked.stderr):
            return None
        reason = " ".join(asked.stderr.split())[-300:]
        raise UserError(f"pip-audit could not examine {lock}: {reason}") from None
    # A proxy that refuses everything looks like a service that knows no package; pip-audit itself calls that a pass.
    return packages if any("skip_reason" not in package for package in packages) else None


def vulnerabilities(lock: str, package: dict[str, Any]) -> list[Vulnerability]:
    """The vulnerabilities that pip-audit reports for one package of a lock."""
    return [
        Vulnerability(lock, package["name"], package["version"], one["id"], tuple(one["fix_versions"]))
        for one in package.get("vulns", [])
    ]
