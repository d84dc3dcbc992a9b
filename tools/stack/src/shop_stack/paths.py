"""Where things lie in the repository and on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from shop_stack.errors import UserError

OWN_FILES = {"lock", "logs", "run", "cache", "uv", "venvs", "passwords.json", "setup.log"}
"""One of these is in every folder that a stack has used before."""


def repository() -> Path:
    """The repository's root: the folder above that has services and contracts in it."""
    for start in (Path.cwd(), Path(__file__).resolve()):
        for folder in (start, *start.parents):
            if (folder / "services").is_dir() and (folder / "contracts").is_dir():
                return folder
    raise UserError("This is not inside a clone of Shopfloor: change into the repository and try again.")


def shop_folder() -> Path:
    """The clone's own folder of what was built and of what runs."""
    return repository() / ".shop"


def state_folder() -> Path:
    """The folder of the running stack: SHOP_STATE, or .shop in the repository."""
    given = os.environ.get("SHOP_STATE")
    return Path(given).absolute() if given else shop_folder()


def make_private(folder: Path) -> None:
    """Make a stack's folder, or see to it that no other user can enter it: passwords and tokens are in it.

    Raises UserError if the folder is shared and is not a stack's own: its rights are not ours to change.
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
    """What every stack of this clone can share: the class path, the recorded classes of the broker."""
    return shop_folder() / "cache"


def contracts() -> Path:
    return repository() / "contracts"


def project(service: str) -> Path:
    """The folder of a service's project."""
    return repository() / "services" / service
