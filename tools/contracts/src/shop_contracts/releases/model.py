"""A release as data: what was released, and out of which commit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from shop_stack.errors import UserError

NUMBER = re.compile(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})")


@dataclass(frozen=True, slots=True)
class Trees:
    """Hashes of trees of git."""

    service: str
    """services/<service>"""
    chassis: str
    """libs/chassis"""
    contracts: str


@dataclass(frozen=True, slots=True)
class Lock:
    """The packages that the service is built from."""

    sha256: str
    """Of services/<service>/requirements.txt."""


@dataclass(frozen=True, slots=True)
class Migrations:
    """The migrations of the service."""

    head: str
    """The last one."""


@dataclass(frozen=True, slots=True)
class Api:
    """The public HTTP API of the service."""

    openapi: int
    """The number of the released text."""


@dataclass(frozen=True, slots=True)
class Release:
    """One release of one service."""

    service: str
    version: str
    date: date
    commit: str
    """The commit that the trees were taken from."""
    trees: Trees
    lock: Lock
    migrations: Migrations
    publishes: Mapping[str, int]
    """Event type → the number of its released text."""
    reads: Mapping[str, int]
    """Event type → the number of the released text that was current."""
    api: Api
    expectations: Mapping[str, str]
    """Provider → the sha256 of contracts/consumers/<service>/<provider>.json."""

    @property
    def name(self) -> str:
        """Service and version, for people and for folders: ``orders-0.1.0``."""
        return f"{self.service}-{self.version}"


def ordinal(version: str) -> tuple[int, ...]:
    """The version as numbers, to compare it. Raises UserError if it is not of the form 1.2.3."""
    if not NUMBER.fullmatch(version):
        raise UserError(f"{version!r} is no version of a release: write three numbers, such as 0.2.0.")
    return tuple(int(part) for part in version.split("."))
