"""Deploys a release of one service on a cluster: sets the image of its two Deployments, and waits for the rollout.

Kubernetes replaces one pod after the other, and each new pod applies the migrations before it starts (deploy/k8s). The
image must be in the registry, or on the nodes of a practice cluster: this module builds none.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from shop_stack.deployed import CLONE, Deployed
from shop_stack.deployments import Outcome
from shop_stack.embedded import Report, silent
from shop_stack.errors import UserError
from shop_stack.kubernetes import kubectl
from shop_stack.ports import SERVICES

ROLES = ("api", "worker")
MIGRATION = "migrate"
"""The init container, which has the same image."""
BEFORE = "shopfloor.example/image-before"
"""The annotation with the image that ran before the last deployment."""
ROLLOUT_SECONDS = 600


def deploy(service: str, version: str, report: Report = silent) -> Outcome:
    """Set the image of a service to this version, and wait until every pod has it.

    Raises UserError with kubectl's own message, or if the pods are not ready in time. Then the image from before is set
    again.
    """
    if version == CLONE:
        raise UserError(f"A cluster runs images and not the clone: name a version of {service}.")
    images = _images(service)
    return _set(service, {role: with_tag(image, version) for role, image in images.items()}, images, report)


def rollback(service: str, report: Report = silent) -> Outcome:
    """Set the image that ran before the last deployment. Raises UserError as `deploy` does, or if there is none."""
    images = _images(service)
    before = {role: _annotation(service, role) for role in ROLES}
    if not all(before.values()):
        raise UserError(
            f"{service} has no release to go back to: `shop deploy` has deployed nothing on this cluster."
        )
    return _set(service, before, images, report)


def with_tag(image: str, tag: str) -> str:
    """The image of the same repository with another tag. A digest is left out, as it belongs to the former tag."""
    name, _, _ = image.partition("@")
    last = name.rfind("/") + 1
    return f"{name[:last]}{name[last:].partition(':')[0]}:{tag}"


def _set(service: str, images: Mapping[str, str], before: Mapping[str, str], report: Report) -> Outcome:
    began = time.monotonic()
    try:
        for role, image in images.items():
            report(service, f"{role}: {image}")
            _set_image(service, role, image)
        for role in images:
            kubectl("rollout", "status", f"deployment/{service}-{role}", f"--timeout={ROLLOUT_SECONDS}s")
    except BaseException as error:
        for role, image in before.items():
            _set_image(service, role, image)
        if not isinstance(error, UserError):
            raise
        raise UserError(
            f"{images['api']} was not rolled out, so {before['api']} is set again: {error} "
            "Is the image in the registry, or on the nodes?"
        ) from None
    for role, image in _replaced(images, before).items():
        kubectl("annotate", "--overwrite", f"deployment/{service}-{role}", f"{BEFORE}={image}")
    seconds = time.monotonic() - began
    report(service, f"ready after {seconds:.1f} s")
    return Outcome(_release(service, images["api"]), _release(service, before["api"]), seconds)


def _replaced(images: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """Role → the image from before, for each role that had another one. The same image again is no deployment."""
    return {role: image for role, image in before.items() if image != images[role]}


def _set_image(service: str, role: str, image: str) -> None:
    """Set the image of a Deployment, of its migration, and the name of it that the service tells at `/version`.

    It is one patch, so there is one rollout.
    """
    containers = [{"name": role, "image": image, "env": [{"name": "SHOP_IMAGE", "value": image}]}]
    pod = {"initContainers": [{"name": MIGRATION, "image": image}], "containers": containers}
    patch = json.dumps({"spec": {"template": {"spec": pod}}})
    kubectl("patch", f"deployment/{service}-{role}", "--type=strategic", f"--patch={patch}")


def _images(service: str) -> dict[str, str]:
    """Role → the image that its Deployment has. Raises UserError if there is no such service."""
    if service not in SERVICES:
        raise UserError(f"There is no service {service!r}: choose one of {', '.join(SERVICES)}.")
    return {role: _image(service, role) for role in ROLES}


def _image(service: str, role: str) -> str:
    deployment = json.loads(kubectl("get", f"deployment/{service}-{role}", "--output", "json"))
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return next(str(each["image"]) for each in containers if each["name"] == role)


def _annotation(service: str, role: str) -> str:
    deployment = json.loads(kubectl("get", f"deployment/{service}-{role}", "--output", "json"))
    return str(deployment["metadata"].get("annotations", {}).get(BEFORE, ""))


def _release(service: str, image: str) -> Deployed:
    """The release of an image. Its code is not on this machine."""
    return Deployed(service, image.rpartition(":")[2], Path())
