"""The code of a release as a folder: .shop/releases/<service>-<version>, taken out of git."""

from __future__ import annotations

import asyncio
import fcntl
import io
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path

from shop_contracts.releases import git
from shop_contracts.releases.model import Release
from shop_contracts.releases.snapshot import compare
from shop_stack.errors import UserError
from shop_stack.paths import make_private, repository

PARTS = (
    "libs/chassis",
    "libs/testkit",
    "tools/stack",
    "tools/processor",
    "tools/issuer",
    "contracts",
    "requirements-dev.txt",
)
"""Everything beside its own folder that a service and its tests need. A part that a commit lacks is left out."""
SYMLINK = "120000"


async def checkout(release: Release, root: Path | None = None) -> Path:
    """The folder with the code of a release. It is taken out of git unless it is there, whole and unchanged.

    Raises UserError if the clone does not have the commit of the release, or if the commit has other trees.
    """
    return await asyncio.to_thread(_checkout, root or repository(), release)


def _checkout(root: Path, release: Release) -> Path:
    require_commit(root, release)
    compare(root, release)
    home = root / ".shop" / "releases"
    folder = home / release.name
    expected = git.files(root, release.commit, parts_of(root, release))
    if is_intact(folder, expected):
        return folder
    make_private(root / ".shop")
    home.mkdir(exist_ok=True)
    # Two commands of one clone share the folder, so only one may write it at a time.
    with (home / f"{release.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_intact(folder, expected):
            _replace(folder, git.archive(root, release.commit, parts_of(root, release)))
    return folder


def require_commit(root: Path, release: Release) -> None:
    """Raise UserError if the clone does not have the commit of the release."""
    if git.hashes(root, [f"{release.commit}^{{commit}}"]) != [None]:
        return
    if git.is_shallow(root):
        cure = "this clone is shallow. Fetch the rest with `git fetch --unshallow`"
    else:
        cure = "no branch of this clone leads to it. Fetch the branch that has it with `git fetch`"
    raise UserError(
        f"The code of {release.service} {release.version} (commit {release.commit[:12]}) is not in this clone: {cure}."
    )


def parts_of(root: Path, release: Release) -> list[str]:
    """The folders and files of the checkout, as far as the commit has them."""
    wanted = [f"services/{release.service}", *PARTS]
    found = git.hashes(root, [f"{release.commit}:{part}" for part in wanted])
    return [part for part, known in zip(wanted, found, strict=True) if known]


def is_intact(folder: Path, expected: Sequence[git.Blob]) -> bool:
    """Whether each file of the commit is in the folder, with the same content."""
    return all(_hash_of(folder / blob.path, blob) == blob.hash for blob in expected)


def _hash_of(file: Path, blob: git.Blob) -> str:
    """The name that git would give the file's content; empty if it cannot be read."""
    try:
        content = str(file.readlink()).encode() if blob.mode == SYMLINK else file.read_bytes()
    except OSError:
        return ""
    return git.blob_hash(content, len(blob.hash))


def _replace(folder: Path, archive: bytes) -> None:
    """Put the content of an archive in the place of the folder. The folder is always the old one or the new one."""
    fresh = folder.with_name(f"{folder.name}.new")
    stale = folder.with_name(f"{folder.name}.old")
    for left in (fresh, stale):
        shutil.rmtree(left, ignore_errors=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(fresh, filter="data")
        if folder.exists():
            folder.rename(stale)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(stale, ignore_errors=True)
