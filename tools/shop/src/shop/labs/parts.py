"""The identity of each part of a running shop: another process, container or pod in its place has another one.

A name begins with its kind: `process/payments`, `container/payments`, `pod/kafka-0`, `deployment/orders-api`,
`secret/orders-database`. The identity of a process or container ends with the time of its start: `4711@1764374400.0`.
It is empty if the part does not run.
"""

from __future__ import annotations

import json
from datetime import datetime

from shop_stack import embedded
from shop_stack.compose import docker
from shop_stack.connect import TargetKind
from shop_stack.kubernetes import kubectl

OF_PODS = (
    'jsonpath={range .items[*]}pod/{.metadata.name}{" "}{.metadata.uid}{"-"}{.status.phase}{"-"}'
    '{.status.containerStatuses[*].restartCount}{"\\n"}{end}'
)
OF_DEPLOYMENTS = (
    'jsonpath={range .items[*]}deployment/{.metadata.name}{" "}{.metadata.generation}{"\\n"}{end}'
)
OF_SECRETS = 'jsonpath={range .items[*]}secret/{.metadata.name}{" "}{.metadata.resourceVersion}{"\\n"}{end}'
"""The version of a Secret, and nothing of its content."""


def parts_of(kind: TargetKind) -> dict[str, str]:
    """Part → its identity. Raises UserError if docker or kubectl fails."""
    match kind:
        case TargetKind.EMBEDDED:
            return _processes()
        case TargetKind.COMPOSE:
            return _containers()
        case TargetKind.K8S:
            return _objects()


def started(identity: str) -> float:
    """The time at which a process or container started, in seconds since 1970."""
    return float(identity.rpartition("@")[2])


def _processes() -> dict[str, str]:
    return {f"process/{name}": process for name, process in embedded.stack().processes().items()}


def _containers() -> dict[str, str]:
    lines = docker("compose", "ps", "--all", "--format", "json").splitlines()
    services = {one["ID"]: str(one["Service"]) for one in map(json.loads, lines)}
    found = json.loads(docker("inspect", *services)) if services else []
    states = {one["Id"]: one["State"] for one in found}
    # `compose ps` shortens the id, and `inspect` does not.
    return {
        f"container/{services[short]}": (
            f"{short}@{_seconds(state['StartedAt'])}" if state["Running"] else ""
        )
        for short in services
        for id_, state in states.items()
        if id_.startswith(short)
    }


def _seconds(time: str) -> float:
    """A time of Docker, which has nanoseconds, in seconds since 1970."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")


def _objects() -> dict[str, str]:
    lines = [
        line
        for kind, shape in (("pods", OF_PODS), ("deployments", OF_DEPLOYMENTS), ("secrets", OF_SECRETS))
        for line in kubectl("get", kind, "--output", shape).splitlines()
    ]
    return {name: identity for name, _, identity in (line.partition(" ") for line in lines)}
