"""The release of a service that the embedded stack starts: its version, and the commit of this clone."""

from __future__ import annotations

import os
import subprocess
import tomllib
from functools import lru_cache

from shop_stack.deployed import UNKNOWN, Deployed
from shop_stack.paths import repository
from shop_stack.venvs import Project

NO_TAG = "--exclude=*"
RESOURCE_ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES"
RELEASE_ATTRIBUTE = "service.version"
"""The attribute of a span's resource that has the release (OpenTelemetry's semantic conventions)."""


def environment_of(project: Project) -> dict[str, str]:
    """The variables with which a service tells its release at `/version`. There is no image here."""
    return {"SHOP_VERSION": version_of(project), "SHOP_REVISION": revision(), "SHOP_IMAGE": UNKNOWN}


def environment_of_release(release: Deployed) -> dict[str, str]:
    """The variables with which a service tells, at `/version`, the release that was deployed."""
    environment = {**environment_of(release.project), **span_attributes(release)}
    if release.is_clone:
        return environment
    return {**environment, "SHOP_VERSION": release.version, "SHOP_REVISION": release.revision}


def span_attributes(release: Deployed) -> dict[str, str]:
    """The variable that puts the release into every span, beside the attributes that the user has chosen.

    It is what tells the work of two releases that run at the same time apart. The version of the clone is `clone`,
    because its manifest may have the number of the last release.
    """
    chosen = os.environ.get(RESOURCE_ATTRIBUTES, "").split(",")
    kept = [one for one in chosen if one.strip() and not one.strip().startswith(f"{RELEASE_ATTRIBUTE}=")]
    # A plus sign stands for itself: the SDK decodes percent signs alone.
    return {RESOURCE_ATTRIBUTES: ",".join([*kept, f"{RELEASE_ATTRIBUTE}={release.version}"])}


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
