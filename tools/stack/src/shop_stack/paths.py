"""Folders of the repository and of the stack on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from shop_stack.errors import UserError

OWN_FILES = {"lock", "logs", "run", "cache", "uv", "venvs", "passwords.json", "setup.log"}
"""A folder that a stack has used contains at least one of these."""


def repository() -> Path:
    """The root of the repository: the nearest folder above that contains services and contracts. Raises UserError."""
    for start in (Path.cwd(), Path(__file__).resolve()):
        for folder in (start, *start.parents):
            if (folder / "services").is_dir() and (folder / "contracts").is_dir():
                return folder
    raise UserError("This is not inside a clone of Shopfloor: change into the repository and try again.")


def shop_folder() -> Path:
    """The folder .shop of this clone, for builds, caches and the default stack."""
    return repository() / ".shop"


def state_folder() -> Path:
    """The folder of the running stack: SHOP_STATE, or .shop in the repository."""
    given = os.environ.get("SHOP_STATE")
    return Path(given).absolute() if given else shop_folder()


def make_private(folder: Path) -> None:
    """Create a stack's folder, or remove the permissions of other users on it: it contains passwords and tokens.

    Raises UserError if other users may enter the folder and it contains files that are not the stack's. Its
    permissions are not changed then.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not folder.stat().st_mode & 0o077:
        return
    names = {path.name for path in folder.iterdir()}
    if names and not names & OWN_FILES:
        raise UserError(
            f"{folder} holds other files, and other users may enter it: choose a folder of its own with SHOP_STATE."
        )
    folder.chmod(0o700)


def cache_folder() -> Path:
    """The cache that all stacks of this clone share: Kafka's class path, and its AOT caches."""
    return shop_folder() / "cache"


def contracts() -> Path:
    return repository() / "contracts"


def project(service: str) -> Path:
    """The folder of a service's project."""
    return repository() / "services" / service
