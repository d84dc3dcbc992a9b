"""Deploys a release of one service in containers: an image of its code, and a new container of this service alone.

`docker-compose.yml` names the images of the clone. A second file, in the shop's folder, names those that were deployed.
The container is stopped before the new one starts, because one container has the published port. So the service is away
for some seconds.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from shop_stack import deployed as record
from shop_stack.compose import docker
from shop_stack.deployed import Deployed, Deployment
from shop_stack.deployments import Outcome
from shop_stack.embedded import Report, silent
from shop_stack.errors import UserError
from shop_stack.passwords import write_private
from shop_stack.paths import repository, state_folder
from shop_stack.ports import SERVICES
from shop_stack.releases import environment_of_release

IMAGES_FILE = "deployed-images.json"
"""A file of docker compose. JSON is YAML."""
GAP = "a container is stopped before the next one can have its port"


def folder() -> Path:
    """The folder in which the releases of the shop in containers are recorded."""
    return state_folder() / "compose"


def deploy(release: Deployed, report: Report = silent) -> Outcome:
    """Build the image of a release, apply its migrations, and replace the service's container.

    Raises UserError with docker's own message. If the new container does not become healthy, the image from before runs
    again.
    """
    began = time.monotonic()
    require_service(release.service)
    report(release.service, f"image of {release.name}")
    _build(release)
    return _run(release, began, report)


def rollback(service: str, report: Report = silent) -> Outcome:
    """Replace the container by one of the image that ran before. It is built only if it is gone.

    Raises UserError as `deploy` does.
    """
    began = time.monotonic()
    require_service(service)
    before = record.read(folder(), service).before
    if before is None:
        raise UserError(
            f"{service} has no release to go back to: nothing was deployed in these containers yet."
        )
    if not docker("images", "--quiet", image_of(before)).strip():
        report(service, f"image of {before.name}")
        _build(before)
    return _run(before, began, report)


def _run(release: Deployed, began: float, report: Report) -> Outcome:
    """Migrate with the image of a release, and replace the service's container. `began`: when the command started."""
    present = record.read(folder(), release.service)
    following = present.followed_by(release)
    report(release.service, "migrating")
    _write_images(following)
    try:
        _compose("run", "--rm", "--no-deps", f"{release.service}-migrations")
        report(release.service, "replacing its container")
        _replace_container(release.service)
    except BaseException as error:
        _write_images(present)
        _go_back(release, present.now, error)
        if not isinstance(error, UserError):
            raise
        raise UserError(f"{release.name} does not start, so {present.now.name} runs again: {error}") from None
    record.write(folder(), following)
    seconds = time.monotonic() - began
    report(release.service, f"ready after {seconds:.1f} s")
    return Outcome(release, present.now, seconds, gap=GAP)


def _go_back(release: Deployed, before: Deployed, error: BaseException) -> None:
    """Run the container from before again. Raises UserError with both messages if that fails, too."""
    try:
        _replace_container(release.service)
    except UserError as second:
        raise UserError(
            f"{release.name} does not start ({error}), and {before.name} does not either: {second} "
            f"See `docker compose ps` and `docker compose logs {release.service}`."
        ) from None


def require_service(name: str) -> None:
    """Raise UserError if there is no service of this name."""
    if name not in SERVICES:
        raise UserError(f"There is no service {name!r}: choose one of {', '.join(SERVICES)}.")


def image_of(release: Deployed) -> str:
    """The image of a release, by the name that docker-compose.yml gives to those of the clone."""
    tag = os.environ.get("SHOP_VERSION", "dev") if release.is_clone else release.version
    return f"localhost/shopfloor/{release.service}:{tag}"


def _build(release: Deployed) -> None:
    code = release.project.folder  # raises UserError if the code is gone
    told = environment_of_release(release)
    docker(
        "build",
        "--file",
        str(code / "Dockerfile"),
        "--tag",
        image_of(release),
        "--build-arg",
        f"VERSION={told['SHOP_VERSION']}",
        "--build-arg",
        f"REVISION={told['SHOP_REVISION']}",
        str(release.folder),
    )


def _write_images(deployment: Deployment) -> None:
    """Write the file with the images that were deployed: those that are recorded, and this one.

    A service tells the name of its image at `/version`, so it gets it as a variable, too.
    """
    known = {**record.read_all(folder()), deployment.now.service: deployment}
    services: dict[str, dict[str, Any]] = {}
    for service, each in known.items():
        image = image_of(each.now)
        services[service] = {"image": image, "environment": {"SHOP_IMAGE": image}}
        services[f"{service}-migrations"] = {"image": image}
    write_private(folder() / IMAGES_FILE, {"services": services})


def _replace_container(service: str) -> None:
    _compose("up", "--detach", "--no-deps", "--no-build", "--wait", service)


def _compose(*arguments: str) -> str:
    """Run docker compose with the files of the project and the file of the deployed images."""
    given = os.environ.get("COMPOSE_FILE")
    files = given.split(os.pathsep) if given else ["docker-compose.yml"]
    override = "docker-compose.override.yml"
    if not given and (repository() / override).exists():
        files.append(override)
    named = [part for file in (*files, str(folder() / IMAGES_FILE)) for part in ("--file", file)]
    return docker("compose", "--project-directory", str(repository()), *named, *arguments)
