"""Programs that refuse to run as root run as the user `nobody`, without any capability.

`nobody` can enter neither root's own folders (such as /root) nor the private state folder. It reaches one folder below
them through a file descriptor that root has opened: a path that begins at the descriptor skips the folders above.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534
DESCRIPTORS = Path("/proc/self/fd")


@dataclass(frozen=True)
class Opened:
    """A folder for the unprivileged user: its path, and the file descriptors that its process must inherit."""

    path: str
    descriptors: tuple[int, ...] = ()


def account() -> int | None:
    """The id of the user and group to run such a program as; None if this process does not run as root."""
    return NOBODY if os.geteuid() == 0 else None


def give(*paths: Path) -> None:
    """Make the unprivileged user the owner of files and folders. Does nothing if this process does not run as root."""
    owner = account()
    if owner is not None:
        for path in paths:
            os.chown(path, owner, owner)


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """Open the folder for a process that is started while the context lasts."""
    if account() is None or not DESCRIPTORS.is_dir():
        yield Opened(str(folder))
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Opened(str(DESCRIPTORS / str(descriptor)), (descriptor,))
    finally:
        os.close(descriptor)
