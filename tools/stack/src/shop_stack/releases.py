"""The release of a service that the embedded stack starts: its version, and the commit of this clone."""

from __future__ import annotations

import subprocess
import tomllib
from functools import lru_cache

from shop_stack.deployed import UNKNOWN, Deployed
from shop_stack.paths import repository
from shop_stack.venvs import Project

NO_TAG = "--exclude=*"


def environment_of(project: Project) -> dict[str, str]:
    """The variables with which a service tells its release at `/version`. There is no image here."""
    return {"SHOP_VERSION": version_of(project), "SHOP_REVISION": revision(), "SHOP_IMAGE": UNKNOWN}


def environment_of_release(release: Deployed) -> dict[str, str]:
    """The variables with which a service tells, at `/version`, the release that was deployed."""
    environment = environment_of(release.project)
    if release.is_clone:
        return environment
    return {**environment, "SHOP_VERSION": release.version, "SHOP_REVISION": release.revision}


def version_of(project: Project) -> str:
    """The version in the project's manifest, or `unknown`."""
    try:
        manifest = tomllib.loads((project.folder / "pyproject.toml").read_text())
        return str(manifest["project"]["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return UNKNOWN


@lru_cache
def revision() -> str:
    """The commit of this clone, with `-dirty` if a file differs from it. `unknown` without git, or without a commit."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", NO_TAG]
    try:
        asked = subprocess.run(
            command, cwd=repository(), capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
    return asked.stdout.strip() if asked.returncode == 0 else UNKNOWN
