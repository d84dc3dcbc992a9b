"""Folders of the repository and of the stack on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from shop_stack.errors import UserError

MARKER = ".shopfloor"
"""The file in each folder that a stack was given to use, and that a wipe may delete from."""
STACK_FILES = {MARKER, "stack.json", "passwords.json"}
"""One of these is in every folder that a stack has used; earlier versions wrote no marker."""
LEFT_BY_A_WIPE = {"lock"}
"""All that a wipe left behind in earlier versions."""


def repository() -> Path:
    """The repository's root: the folder above that has services and contracts in it."""
    for start in _starts():
        for folder in (start, *start.parents):
            if (folder / "services").is_dir() and (folder / "contracts").is_dir():
                return folder
    raise UserError("This is not inside a clone of Shopfloor: change into the repository and try again.")


def _starts() -> Iterator[Path]:
    with suppress(FileNotFoundError):  # The working directory may have been deleted.
        yield Path.cwd()
    yield Path(__file__).resolve()


def shop_folder() -> Path:
    """The folder .shop of this clone, for builds, caches and the default stack."""
    return repository() / ".shop"


def state_folder() -> Path:
    """The folder of the running stack: SHOP_STATE, or .shop in the repository."""
    given = os.environ.get("SHOP_STATE")
    return Path(given).absolute() if given else shop_folder()


def make_private(folder: Path) -> None:
    """Create a stack's folder, or remove the permissions of other users on it: it contains passwords and tokens.

    Raises UserError if the folder has other files and is not a stack's own: its rights and its files are not ours.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_a_stacks_own(folder):
        raise UserError(f"{folder} holds other files: choose a folder of its own with SHOP_STATE.")
    (folder / MARKER).touch()
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


def _is_a_stacks_own(folder: Path) -> bool:
    """Whether it is empty, was used by a stack, or is in the clone's .shop, where others than stacks write too."""
    names = {path.name for path in folder.iterdir()}
    return (
        names <= LEFT_BY_A_WIPE
        or bool(names & STACK_FILES)
        or folder.resolve().is_relative_to(shop_folder().resolve())
    )


def cache_folder() -> Path:
    """The cache that all stacks of this clone share: Kafka's class path, and its AOT caches."""
    return shop_folder() / "cache"


def contracts() -> Path:
    return repository() / "contracts"


def project(service: str) -> Path:
    """The folder of a service's project."""
    return repository() / "services" / service
