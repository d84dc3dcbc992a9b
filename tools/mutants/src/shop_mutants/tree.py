"""A copy of the working tree. Patches are applied to the copy, never to the working tree."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from shop_mutants.catalogue import Mutant


class PatchRefused(Exception):
    """The patch does not apply to the tree. The text says where."""


@dataclass(frozen=True)
class Tree:
    """A copy at `root` of the repository `original`."""

    root: Path
    original: Path

    def apply(self, mutant: Mutant) -> None:
        """Apply the patch of a mutant. Raises PatchRefused, and then no file has changed."""
        # Outside of a repository, git applies a patch to plain files.
        environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(self.root.parent)}
        applied = subprocess.run(
            ["git", "apply", "--whitespace=nowarn", str(mutant.patch.absolute())],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if applied.returncode != 0:
            raise PatchRefused(" ".join(applied.stderr.split()))

    def restore(self, mutant: Mutant) -> None:
        """Bring the files of a mutant's patch back to the state of the original."""
        for name in mutant.files:
            shutil.copy2(self.original / name, self.root / name)

    def python_path(self) -> str:
        """PYTHONPATH for programs of the copy. It precedes the editable installs, which name the original."""
        return os.pathsep.join(str(path) for path in sorted(self.root.glob("*/*/src")))


def copy(original: Path, root: Path) -> Tree:
    """Copy all files that git knows or does not ignore into the new folder `root`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=original,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (original / name).is_file():  # a deleted file is still in the index
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(original / name, target)
    return Tree(root, original)
