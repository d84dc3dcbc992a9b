"""What must be true of every overlay. Each policy tells its violations as sentences, none if there are none."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema

from tests.kubernetes.management import management
from tests.kubernetes.rendered import (
    SERVICES,
    Object,
    containers,
    is_service,
    labels_of,
    name_of,
    of_kind,
    pod_of,
    role_of,
    selects,
    workloads,
)

ANNOUNCE = "HTTP_ANNOUNCE_CLOSE_SECONDS"
KEPT_CONNECTION_SECONDS = 5.0
"""How long clients usually keep a connection that they do not use: the default of httpx."""
SCHEMAS = Path(__file__).parent / "schemas"
VOLUMES = {"configMap", "emptyDir", "projected", "secret", "persistentVolumeClaim", "downwardAPI", "csi"}
"""What the restricted profile of Pod Security lets pods mount."""
FROM_OPERATORS = re.compile(r"shopfloor-cluster-ca-cert|keda|oracle|" + "|".join(SERVICES))
"""Secrets that Strimzi makes: the cluster's certificate, and one per user."""
MADE_BEFORE = re.compile("issuer-clients|card-processor-key|(" + "|".join(SERVICES) + ")-database(-owner)?")
"""Secrets that deploy/k8s/secrets.sh makes."""
MADE_FOR_LOCAL = re.compile("postgres-superuser|kafka-broker-certificate|topics")
"""Secrets that deploy/k8s/secrets.sh makes for the overlay `local`, in addition to those of FROM_OPERATORS."""


def schemas(objects: Sequence[Object]) -> Iterator[str]:
    """Every object is what its API says it is; unknown fields are faults."""
    own = json.loads((SCHEMAS / "kubernetes_1.34.json").read_text())
    for one in objects:
        key = f"{one['apiVersion']}/{one['kind']}"
        if key in own["kinds"]:
            schema = {**own["kinds"][key], "$defs": own["$defs"]}
        else:
            group, _, version = one["apiVersion"].rpartition("/")
            schema = json.loads((SCHEMAS / f"{group}_{one['kind'].lower()}_{version}.json").read_text())
        for error in jsonschema.Draft202012Validator(schema).iter_errors(one):
            yield f"{name_of(one)}: {'.'.join(map(str, error.path))}: {error.message[:200]}"


def restricted(objects: Sequence[Object]) -> Iterable[str]:
    """Pod Security's restricted profile, and a read-only root, and no token for the API server."""
    return [f"{name_of(one)}: {fault}" for one in workloads(objects) for fault in _pod_faults(one)]


def _pod_faults(workload: Object) -> Iterator[str]:
    pod = pod_of(workload)
    context = pod.get("securityContext", {})
    if not context.get("runAsNonRoot"):
        yield "may run as root"
    if context.get("runAsUser") == 0:
        yield "runs as root"
    if context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "has no seccomp profile"
    if pod.get("automountServiceAccountToken") is not False:
        yield "is given a token of the API server"
    for shared in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(shared):
            yield f"shares {shared}"
    for volume in pod.get("volumes", []):
        if not (volume.keys() - {"name"}) <= VOLUMES:
            yield f"mounts {sorted(volume.keys() - {'name'})}"
    for container in containers(workload):
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False:
            yield f"{container['name']} may gain rights"
        if own.get("capabilities", {}).get("drop") != ["ALL"] or own["capabilities"].get("add"):
            yield f"{container['name']} keeps capabilities"
        if own.get("readOnlyRootFilesystem") is not True:
            yield f"{container['name']} may write to its image"
        if own.get("privileged") or own.get("runAsUser") == 0 or own.get("runAsNonRoot") is False:
            yield f"{container['name']} is privileged"
        if any("hostPort" in port for port in container.get("ports", [])):
            yield f"{container['name']} takes a port of the node"


def probes(objects: Sequence[Object]) -> Iterator[str]:
    """What runs for ever is probed; liveness asks no dependency."""
    for one in of_kind(objects, "Deployment", "StatefulSet"):
        for container in containers(one, init=False):
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                if probe not in container:
                    yield f"{name_of(one)}: {container['name']} has no {probe}"
            asked = container.get("livenessProbe", {}).get("httpGet", {}).get("path", "")
            if asked not in ("", "/", "/livez"):
                yield f"{name_of(one)}: liveness asks {asked}"
            if is_service(one) and "/readyz" not in json.dumps(container.get("readinessProbe", {})):
                yield f"{name_of(one)}: readiness does not ask /readyz"


def limits(objects: Sequence[Object]) -> Iterable[str]:
    """Every container says what it needs and what it may take."""
    return [
        f"{name_of(one)}: {container['name']} has no {kind} of {resource}"
        for one in workloads(objects)
        for container in containers(one)
        for kind in ("requests", "limits")
        for resource in ("cpu", "memory")
        if resource not in container.get("resources", {}).get(kind, {})
    ]


def labels(objects: Sequence[Object]) -> Iterable[str]:
    """Workloads and their pods carry the recommended labels."""
    wanted = ["name", "component", "part-of", "managed-by"]
    return [
        f"{name_of(one)}: {where} lack app.kubernetes.io/{label}"
        for one in workloads(objects)
        for where, found in (("its labels", one["metadata"].get("labels", {})), ("its pods", labels_of(one)))
        for label in wanted
        if f"app.kubernetes.io/{label}" not in found
    ]


def images(objects: Sequence[Object]) -> Iterable[str]:
    """A tag that says which, so that the same manifest is the same program tomorrow; and a registry for our own.

    A name without a registry is looked for on a public one, where anybody may take it.
    """
    used = [(name_of(one), container["image"]) for one in workloads(objects) for container in containers(one)]
    return [
        *(
            f"{owner}: {image} names no version"
            for owner, image in used
            if ":" not in image or image.endswith(":latest")
        ),
        *(f"{owner}: {image} names no registry" for owner, image in used if image.startswith("shopfloor/")),
    ]


def availability(objects: Sequence[Object]) -> Iterator[str]:
    """Services: rollouts take nobody away, a budget lets one go at a time, replicas spread, processes may finish."""
    for one in filter(is_service, of_kind(objects, "Deployment")):
        pod, name = pod_of(one), name_of(one)
        if one["spec"].get("strategy", {}).get("rollingUpdate", {}).get("maxUnavailable") != 0:
            yield f"{name}: a rollout may take pods away before others are ready"
        budgets = [
            budget["spec"]
            for budget in of_kind(objects, "PodDisruptionBudget")
            if selects(budget["spec"]["selector"], labels_of(one))
        ]
        if [budget.get("maxUnavailable") for budget in budgets] != [1]:
            yield f"{name}: there is not one budget that lets one pod go"
        spread = pod.get("topologySpreadConstraints", [])
        if not any(
            rule["whenUnsatisfiable"] == "ScheduleAnyway" and selects(rule["labelSelector"], labels_of(one))
            for rule in spread
        ):
            yield f"{name}: its pods may all be on one node"
        announcing = announce_close_seconds(pod)
        if pod.get("terminationGracePeriodSeconds", 0) < 30 + announcing:
            yield f"{name}: has no time to drain"
        if role_of(one) == "api" and announcing <= KEPT_CONNECTION_SECONDS:
            yield f"{name}: stops listening before proxies and clients know"


def announce_close_seconds(pod: Object) -> float:
    """How long after SIGTERM the pod still accepts connections."""
    environment = pod["containers"][0].get("env", [])
    [*_, seconds] = [0.0, *(float(one["value"]) for one in environment if one["name"] == ANNOUNCE)]
    return seconds


def scaling(objects: Sequence[Object]) -> Iterator[str]:
    """Whoever scales has a target, and no manifest fights over the number."""
    deployments = {one["metadata"]["name"]: one for one in of_kind(objects, "Deployment")}
    for scaler in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        target = deployments.get(scaler["spec"]["scaleTargetRef"]["name"])
        if target is None:
            yield f"{name_of(scaler)}: scales nothing"
        elif "replicas" in target["spec"]:
            yield f"{name_of(target)}: names a number of replicas that {name_of(scaler)} decides"
        for trigger in scaler["spec"].get("triggers", []):
            for setting in ("version", "offsetResetPolicy"):
                if setting not in trigger["metadata"]:
                    yield f"{name_of(scaler)}: a trigger leaves {setting} to a default"


def unscaled(objects: Sequence[Object]) -> list[str]:
    """In business each service's API is scaled on CPU, and its worker on lag."""
    on_cpu = {
        scaler["spec"]["scaleTargetRef"]["name"]
        for scaler in of_kind(objects, "HorizontalPodAutoscaler")
        if [metric["resource"]["name"] for metric in scaler["spec"]["metrics"]] == ["cpu"]
    }
    on_lag = {
        scaler["spec"]["scaleTargetRef"]["name"]
        for scaler in of_kind(objects, "ScaledObject")
        if {trigger["type"] for trigger in scaler["spec"]["triggers"]} == {"kafka"}
    }
    return [
        f"{name_of(one)}: nobody scales it"
        for one in filter(is_service, of_kind(objects, "Deployment"))
        if one["metadata"]["name"] not in (on_cpu if role_of(one) == "api" else on_lag)
    ]


def secrets(objects: Sequence[Object]) -> Iterator[str]:
    """No password outside of a Secret; a service's process has no right to change tables."""
    secret = re.compile("password|secret|token", re.IGNORECASE)
    for one in of_kind(objects, "ConfigMap"):
        for key in one.get("data", {}):
            if secret.search(key):
                yield f"{name_of(one)}: {key} belongs in a Secret"
    for one in workloads(objects):
        for container in containers(one):
            for variable in container.get("env", []):
                if secret.search(variable["name"]) and "value" in variable and not _names_a_file(variable):
                    yield f"{name_of(one)}: {variable['name']} is written down"
        if is_service(one):
            seen = json.dumps(list(containers(one, init=False)))
            if "-database-owner" in seen:
                yield f"{name_of(one)}: the running process knows the owner's password"


def _names_a_file(variable: Object) -> bool:
    name, value = str(variable["name"]), str(variable["value"])
    return name.endswith("_FILE") and value.startswith("/run/passwords/")


def references(objects: Sequence[Object]) -> Iterator[str]:
    """Everything that is referred to is there, or is made by somebody who is known."""
    there = {(one["kind"], one["metadata"]["name"]) for one in objects}
    known = [FROM_OPERATORS, MADE_BEFORE]
    if not any(one["kind"] == "Kafka" for one in objects):
        known.append(MADE_FOR_LOCAL)
    for one in workloads(objects):
        for kind, name in references_in(pod_of(one)):
            made = kind == "Secret" and any(pattern.fullmatch(name) for pattern in known)
            if (kind, name) not in there and not made:
                yield f"{name_of(one)}: there is no {kind} {name}"
    for service in of_kind(objects, "Service"):
        if not any(
            selects({"matchLabels": service["spec"]["selector"]}, labels_of(one))
            for one in workloads(objects)
        ):
            yield f"{name_of(service)}: selects no pod"


def references_in(part: Any) -> Iterator[tuple[str, str]]:
    """Kind and name of what a part of a pod refers to."""
    kinds = {"configMapRef": "ConfigMap", "secretRef": "Secret", "configMapKeyRef": "ConfigMap"}
    kinds |= {"secretKeyRef": "Secret", "configMap": "ConfigMap"}
    if isinstance(part, dict):
        for key, value in part.items():
            if key in kinds and "name" in value:
                yield kinds[key], value["name"]
            elif key == "secret" and isinstance(value, dict):
                yield "Secret", value.get("secretName") or value["name"]
            elif key == "serviceAccountName":
                yield "ServiceAccount", value
            else:
                yield from references_in(value)
    elif isinstance(part, list):
        for value in part:
            yield from references_in(value)


POLICIES = (
    schemas,
    restricted,
    probes,
    management,
    limits,
    labels,
    images,
    availability,
    scaling,
    secrets,
    references,
)
