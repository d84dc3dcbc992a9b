"""The two releases of each service that are tried beside each other: N−1 and N."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shop_contracts.releases import release as releases
from shop_contracts.releases.checkout import checkout
from shop_contracts.releases.model import Release
from shop_stack.deployments import CLONE, Deployed, clone
from shop_stack.errors import UserError


class Side(StrEnum):
    """One of the two releases of a service."""

    OLD = "N−1"
    NEW = "N"


@dataclass(frozen=True, slots=True)
class Pair:
    """The two releases of one service."""

    old: Deployed
    new: Deployed

    @property
    def service(self) -> str:
        return self.new.service

    def side_of(self, version: str) -> Side | None:
        """Which of the two has this version; None if neither has."""
        return {self.old.version: Side.OLD, self.new.version: Side.NEW}.get(version)

    def at(self, side: Side) -> Deployed:
        """The release on this side."""
        return self.old if side is Side.OLD else self.new


async def pairs(root: Path, services: tuple[str, ...], chosen: Mapping[str, str]) -> dict[str, Pair]:
    """Service → its two releases. N is the code of the clone, or the release that `chosen` names for the service.

    N−1 is the release before it. Raises UserError if there is none, or if git lacks its commit.
    """
    found = {}
    for service in services:
        known = releases.all_of(root, service)
        version = chosen.get(service, CLONE)
        new = clone(service) if version == CLONE else await _checked_out(root, _named(root, service, version))
        found[service] = Pair(await _checked_out(root, before(known, service, version)), new)
    return found


def before(known: list[Release], service: str, version: str) -> Release:
    """The last release before a version. `known` are the releases of the service, oldest first. Raises UserError."""
    earlier = [
        release
        for release in known
        if version == CLONE or releases.ordinal(release.version) < releases.ordinal(version)
    ]
    if not earlier:
        name = "the code of this clone" if version == CLONE else version
        raise UserError(
            f"{service} has no release before {name}, so there is no N−1 to prove it with: "
            f"`shop release {service}` makes a release out of the last commit."
        )
    return earlier[-1]


def _named(root: Path, service: str, version: str) -> Release:
    return releases.read(root, service, version)


async def _checked_out(root: Path, release: Release) -> Deployed:
    return Deployed(release.service, release.version, await checkout(release, root), release.commit)
