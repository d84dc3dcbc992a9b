"""Questions to git about commits, trees and changed files. None of them changes the clone."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shop_stack.errors import UserError

VARIABLES_OF_A_HOOK = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_PREFIX")
"""git sets them where it runs a hook. They would lead these questions to another place."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of a commit."""

    path: str
    mode: str
    hash: str


def ask(root: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """The output of a git command. Raises UserError with git's own message if it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES_OF_A_HOOK}
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, input=stdin, env=environment, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise UserError("git is missing, and releases are read out of it: install git.") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()[-300:]
        raise UserError(f"git {arguments[0]} failed in {root}: {said}")
    return done.stdout


def head(root: Path) -> str:
    """The commit of the clone. Raises UserError if it has none."""
    return ask(root, "rev-parse", "--verify", "HEAD").decode().strip()


def is_shallow(root: Path) -> bool:
    """Whether the clone lacks older commits."""
    return ask(root, "rev-parse", "--is-shallow-repository").strip() == b"true"


def hashes(root: Path, names: Sequence[str]) -> list[str | None]:
    """The hash of each object, such as `<commit>:services/orders`. None where the clone does not have it."""
    answer = ask(root, "cat-file", "--batch-check=%(objectname)", stdin="\n".join([*names, ""]).encode())
    return [None if line.endswith(" missing") else line for line in answer.decode().splitlines()]


def contents(root: Path, names: Sequence[str]) -> list[bytes | None]:
    """The bytes of each object, such as `<commit>:README.md`. None where the clone does not have it."""
    answer = ask(root, "cat-file", "--batch", stdin="\n".join([*names, ""]).encode())
    found: list[bytes | None] = []
    position = 0
    for _ in names:
        end = answer.index(b"\n", position)
        line = answer[position:end]
        if line.endswith(b" missing"):
            found.append(None)
            position = end + 1
            continue
        size = int(line.rpartition(b" ")[2])
        found.append(answer[end + 1 : end + 1 + size])
        position = end + 1 + size + 1
    return found


def files(root: Path, commit: str, folders: Sequence[str]) -> list[Blob]:
    """Every file of a commit below these folders. A folder that the commit does not have is left out."""
    listed = ask(root, "ls-tree", "-r", "-z", "--full-tree", commit, "--", *folders)
    blobs = []
    for entry in listed.decode().split("\0"):
        if entry:
            facts, _, path = entry.partition("\t")
            mode, kind, name = facts.split()
            if kind == "blob":
                blobs.append(Blob(path, mode, name))
    return blobs


def changed(root: Path, folders: Sequence[str]) -> list[tuple[str, str]]:
    """(state, path) of each file that differs from the last commit. The state has two letters, as `git status` says.

    A new file has the state `??`, or `A ` if it is staged.
    """
    listed = ask(root, "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", "--", *folders)
    return [(entry[:2], entry[3:]) for entry in listed.decode(errors="replace").split("\0") if entry]


def archive(root: Path, commit: str, folders: Sequence[str]) -> bytes:
    """The folders and files of a commit, as a tar archive. Raises UserError if the commit lacks one of them."""
    return ask(root, "archive", "--format=tar", commit, "--", *folders)


def blob_hash(content: bytes, length: int = 40) -> str:
    """The name that git gives a file's content: by SHA-1, or by SHA-256 if names have 64 characters."""
    digest = hashlib.sha1(usedforsecurity=False) if length == 40 else hashlib.sha256()
    digest.update(b"blob %d\0" % len(content))
    digest.update(content)
    return digest.hexdigest()
