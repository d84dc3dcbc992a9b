"""Programs that refuse to run as root run as the user `nobody`, without any capability.

That user can enter neither root's own folders (such as /root) nor the private state folder. It reaches one folder
below them through a descriptor that root has opened: a path that begins there does not go through the folders above.
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
    """A folder as the unprivileged user reaches it: the path, and the descriptors that its process must inherit."""

    path: str
    descriptors: tuple[int, ...] = ()


def account() -> int | None:
    """Id of the user and group to run such a program as; None if this process is not root's."""
    return NOBODY if os.geteuid() == 0 else None


def give(*paths: Path) -> None:
    """Make the unprivileged user the owner of files and folders, if this process is root's."""
    owner = account()
    if owner is not None:
        for path in paths:
            os.chown(path, owner, owner)


@contextmanager
def opened(folder: Path) -> Iterator[Opened]:
    """The folder, opened for a process that is started in this context."""
    if account() is None or not DESCRIPTORS.is_dir():
        yield Opened(str(folder))
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Opened(str(DESCRIPTORS / str(descriptor)), (descriptor,))
    finally:
        os.close(descriptor)
