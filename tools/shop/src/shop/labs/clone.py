"""The clone of a lab: a folder with a branch of its own, in which a learner changes, releases and deploys services.

It lies in `.shop/lab` of the learner's clone, and has an environment and a shop of its own. The learner's own files,
branches and data stay as they are.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from shop.labs.pages import Lab
from shop_contracts.releases import git
from shop_contracts.releases.release import services, versions
from shop_stack import ports, venvs
from shop_stack.errors import UserError

FOLDER = Path(".shop/lab")
SETTING = "shop.lab"
"""The setting of git that marks the clone of a lab."""
LEARNER = {"user.name": "Learner", "user.email": "learner@shopfloor.example", "commit.gpgsign": "false"}
"""Settings of git in the clone, so that a commit asks for nothing. The learner's own settings stay as they are."""
OF_THE_CALLER = ("VIRTUAL_ENV", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL")


def is_one(root: Path) -> bool:
    """Whether a clone is the clone of a lab."""
    return git.ask(root, "config", "--default", "false", "--get", "--bool", SETTING).strip() == b"true"


def place(root: Path) -> Path:
    """The clone of the labs that belongs to a clone: itself, if it is one."""
    return root if is_one(root) else root / FOLDER


def prepare(lab: Lab, root: Path) -> Path:
    """Make the clone of a lab, or make it anew, and start its shop. Returns its folder.

    It is the last commit of `root` on the branch `lab/<name>`. Files of an earlier lab are committed on its branch.
    Each service runs its last release, so that a rollback does not lead to files that the learner has changed.

    Raises UserError if `root` is a shallow clone, if another shop has the ports, or if a step fails.
    """
    _refuse(root)
    folder = place(root)
    if not folder.exists():
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        git.ask(root, "clone", "--quiet", "--no-checkout", str(root), str(folder))
        for name, value in {**LEARNER, SETTING: "true"}.items():
            git.ask(folder, "config", name, value)
    else:
        _end_the_shop(folder)
        _keep_what_was_left(folder)
    ports.require_free("the shop of the lab", ports.Ports(ports.base_from_environment()).postgres)
    git.ask(folder, "fetch", "--quiet", "origin", "HEAD")
    git.ask(folder, "checkout", "--quiet", "-B", f"lab/{lab.name.rpartition('/')[2]}", "FETCH_HEAD")
    _run(folder, "make", ".venv/.ready")
    for service in services(folder):
        if known := versions(folder, service):
            _run(folder, ".venv/bin/shop", "deploy", service, known[-1])
    _run(folder, "make", "up")
    return folder


def remember(lab: Lab, folder: Path) -> None:
    """Have the command `shop` of a clone remember its shop as it is now. Raises UserError if it fails."""
    _run(folder, ".venv/bin/shop", "lab", "start", "--here", lab.name)


def _refuse(root: Path) -> None:
    if os.environ.get("SHOP_STATE"):
        raise UserError(
            "This lab has a shop of its own in .shop/lab: `unset SHOP_STATE`, then start it again."
        )
    if git.is_shallow(root):
        raise UserError(
            "This clone is shallow, and the lab needs the commits of the releases: `git fetch --unshallow`."
        )


def _end_the_shop(folder: Path) -> None:
    if (folder / ".venv/bin/shop").exists():
        _run(folder, ".venv/bin/shop", "down", "--wipe")


def _keep_what_was_left(folder: Path) -> None:
    """Commit the files of an earlier lab on its branch. Files that git ignores are builds, and stay."""
    if git.ask(folder, "status", "--porcelain"):
        git.ask(folder, "add", "--all")
        git.ask(
            folder, "commit", "--quiet", "--message", "Files that were not committed when the next lab began"
        )


def _run(folder: Path, *command: str) -> None:
    """Run a command that shows its own output. Raises UserError if it fails."""
    if subprocess.run(command, cwd=folder, env=_environment(folder), check=False).returncode != 0:
        raise UserError(f"`{' '.join(command)}` failed in {folder}: its output has the reason.")


def _environment(folder: Path) -> Mapping[str, str]:
    """This process's environment, with the same uv, and without variables of its virtual environment."""
    kept = {name: value for name, value in os.environ.items() if name not in OF_THE_CALLER}
    if shutil.which(folder / ".shop/uv/bin/uv"):
        return kept
    try:
        return {**kept, "UV": str(venvs.uv())}
    except UserError:
        return kept  # make installs one.
