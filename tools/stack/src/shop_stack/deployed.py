"""Which release of each service a shop runs: the file `deployed.json` of its folder.

A service without an entry runs the clone: the code of this repository as it is now.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_stack import paths, venvs
from shop_stack.errors import UserError
from shop_stack.passwords import write_private

FILE = "deployed.json"
CLONE = "clone"
"""The version of a service that runs the code of this repository."""
UNKNOWN = "unknown"
FIRST_SLOT, SECOND_SLOT = 1, 2


@dataclass(frozen=True, slots=True)
class Deployed:
    """A release of a service, and the folder with its code."""

    service: str
    version: str
    """CLONE for the code of this repository."""
    folder: Path
    """A checkout of the release: it has services/<service> and libs/chassis."""
    revision: str = UNKNOWN
    """The commit that the release was made of."""

    @property
    def is_clone(self) -> bool:
        return self.version == CLONE

    @property
    def name(self) -> str:
        """The release in sentences, such as ``orders 0.1.1``."""
        return f"{self.service} from the clone" if self.is_clone else f"{self.service} {self.version}"

    @property
    def project(self) -> venvs.Project:
        """The project of the service, with an environment of its own for each release.

        Raises UserError if the folder of the release is gone.
        """
        if self.is_clone:
            return venvs.service(self.service)
        project = self.folder / "services" / self.service
        if not project.is_dir():
            raise UserError(
                f"The code of {self.name} is gone from {self.folder}: `shop deploy {self.service} {self.version}` "
                f"brings it back, `shop deploy {self.service} {CLONE}` goes on without it."
            )
        libraries = (self.folder / "libs" / "chassis",)
        return venvs.Project(f"{self.service}-{self.version}", project, libraries)

    @property
    def command(self) -> list[str]:
        """The command that runs it, in its own environment. Raises UserError if the folder of the release is gone."""
        return [str(self.project.python), "-m", f"{self.service}.main"]


@dataclass(frozen=True, slots=True)
class Deployment:
    """The release that a shop runs of one service, and the one that it ran before."""

    now: Deployed
    before: Deployed | None = None
    slot: int = FIRST_SLOT
    """1 or 2. The process of the next deployment has the other one, so that both can run at the same time."""

    @property
    def handover_socket(self) -> str:
        """The Unix socket at which the next process gets the listening sockets, in the folder of the shop.

        The path is relative, because that of a Unix socket may have about 100 characters.
        """
        return f"run/{self.now.service}-{self.slot}.handover"

    @property
    def next_slot(self) -> int:
        return SECOND_SLOT if self.slot == FIRST_SLOT else FIRST_SLOT

    def followed_by(self, release: Deployed) -> Deployment:
        """The deployment of `release` by a second process, which replaces the first."""
        before = self.before if release == self.now else self.now
        return Deployment(release, before, self.next_slot)


def clone(service: str) -> Deployed:
    """The code of this repository, as it is now."""
    return Deployed(service, CLONE, paths.repository())


def read(folder: Path, service: str) -> Deployment:
    """The deployment of one service. `folder` is that of the shop. Raises UserError if the file is damaged."""
    return read_all(folder).get(service) or Deployment(clone(service))


def read_all(folder: Path) -> dict[str, Deployment]:
    """Service → its deployment, for each service that was deployed. Raises UserError if the file is damaged."""
    file = folder / FILE
    try:
        facts: dict[str, dict[str, Any]] = json.loads(file.read_text())
        return {service: _deployment(service, entry) for service, entry in facts.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise UserError(
            f"{file} cannot be read, so the releases of this shop are unknown: delete it, run `shop up`, and deploy "
            "them again. A service without an entry runs the clone."
        ) from None


def write(folder: Path, deployment: Deployment) -> None:
    """Record the deployment of one service. Those of the others stay."""
    known = {**read_all(folder), deployment.now.service: deployment}
    write_private(folder / FILE, {service: _entry(each) for service, each in known.items()})


def _entry(deployment: Deployment) -> dict[str, Any]:
    before = deployment.before
    return {
        "now": _facts(deployment.now),
        "before": None if before is None else _facts(before),
        "slot": deployment.slot,
    }


def _facts(release: Deployed) -> dict[str, str]:
    return {"version": release.version, "folder": str(release.folder), "revision": release.revision}


def _deployment(service: str, entry: dict[str, Any]) -> Deployment:
    slot = int(entry["slot"])
    if slot not in (FIRST_SLOT, SECOND_SLOT):
        raise ValueError(f"{slot} is no slot")
    before = entry["before"]
    return Deployment(
        _release(service, entry["now"]), None if before is None else _release(service, before), slot
    )


def _release(service: str, facts: dict[str, str]) -> Deployed:
    return Deployed(service, str(facts["version"]), Path(facts["folder"]), str(facts["revision"]))
