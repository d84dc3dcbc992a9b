"""What the overlays become, and how to find one's way in it."""

import copy
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FIVE_SERVICES = ("local", "floor", "operators", "prod")
"""The overlays in which each service has processes of its own."""
OVERLAYS = (*FIVE_SERVICES, "monolith")
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
ROLES = ("api", "worker")
MONOLITH = "monolith"

Object = dict[str, Any]


def rendered(overlay: str) -> list[Object]:
    """The objects of an overlay: one's own copy, for violations are planted in it."""
    if shutil.which("kubectl") is None:
        # Where everything is to be judged, nothing is passed over.
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "there is no kubectl, whose kustomize renders the overlays: install it to have them judged"
        )
    return copy.deepcopy(rendered_from(ROOT / "deploy" / "k8s" / "overlays" / overlay))


@cache
def rendered_from(folder: Path) -> list[Object]:
    """The objects of the kustomization in a folder, which the caller must not change. Needs kubectl."""
    command = ["kubectl", "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(done.stdout))


def name_of(one: Object) -> str:
    return f"{one['kind']} {one['metadata']['name']}"


def of_kind(objects: Sequence[Object], *kinds: str) -> list[Object]:
    return [one for one in objects if one["kind"] in kinds]


def find(objects: Sequence[Object], kind: str, name: str) -> Object:
    return next(one for one in of_kind(objects, kind) if one["metadata"]["name"] == name)


def workloads(objects: Sequence[Object]) -> list[Object]:
    """Everything that makes pods, without what operators make."""
    return of_kind(objects, "Deployment", "StatefulSet", "Job", "DaemonSet", "CronJob", "Pod")


def pod_of(workload: Object) -> Object:
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def labels_of(workload: Object) -> Mapping[str, str]:
    """Of its pods."""
    labels: Mapping[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def containers(workload: Object, *, init: bool = True) -> Iterator[Object]:
    pod = pod_of(workload)
    yield from pod["containers"]
    if init:
        yield from pod.get("initContainers", [])


def mounted_secrets(workload: Object) -> dict[str, str]:
    """Folder of the first container → the Secret that is mounted there, as a whole folder that it can only read."""
    volumes = {
        one["name"]: one.get("secret", {}).get("secretName", "") for one in pod_of(workload)["volumes"]
    }
    return {
        one["mountPath"]: volumes[one["name"]]
        for one in pod_of(workload)["containers"][0]["volumeMounts"]
        if volumes.get(one["name"]) and one.get("readOnly") and "subPath" not in one
    }


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches; an empty one matches everything."""
    wanted = selector.get("matchLabels", {})
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _meets(expression, labels) for expression in selector.get("matchExpressions", [])
    )


def _meets(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise ValueError(f"there is no operator {expression['operator']}")


@dataclass(frozen=True)
class Place:
    """Somebody who sends or is sent to: a pod, or a program in another namespace."""

    name: str
    labels: Mapping[str, str]
    namespace: Mapping[str, str]
    """The labels of its namespace."""


def role_of(workload: Object) -> str:
    return labels_of(workload).get("app.kubernetes.io/component", "")


def is_monolith(workload: Object) -> bool:
    """Whether it is all services in one process."""
    return labels_of(workload).get("app.kubernetes.io/name") == MONOLITH


def is_service(workload: Object) -> bool:
    """Whether it is one of the services in one of its two roles, or all of them in one process."""
    is_one = labels_of(workload).get("app.kubernetes.io/name") in SERVICES
    return (is_one or is_monolith(workload)) and role_of(workload) in ROLES
