"""Where things lie in the repository and on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from shop_stack.errors import UserError


def repository() -> Path:
    """The repository's root: the folder above that has services and contracts in it."""
    for start in (Path.cwd(), Path(__file__).resolve()):
        for folder in (start, *start.parents):
            if (folder / "services").is_dir() and (folder / "contracts").is_dir():
                return folder
    raise UserError("This is not inside a clone of Shopfloor: change into the repository and try again.")


def state_folder() -> Path:
    """The folder of the running stack: SHOP_STATE, or .shop in the repository."""
    given = os.environ.get("SHOP_STATE")
    return Path(given).absolute() if given else repository() / ".shop"


def cache_folder() -> Path:
    """What every stack of this clone can share: the class path, the recorded classes of the broker."""
    return repository() / ".shop" / "cache"


def contracts() -> Path:
    return repository() / "contracts"


def project(service: str) -> Path:
    """The folder of a service's project."""
    return repository() / "services" / service
