"""The parts of a shop on a Kubernetes cluster, by kubectl.

Nothing is suspended here: a part is process 1 of its container, and the kernel ignores a SIGSTOP that comes from
inside of the container.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shop_chaos.parts.outside import eventually, has_members
from shop_lab.experiments.churn import Process
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.kubernetes import kafka_login, kubectl
from shop_stack.target import Target

NAMES = {"processor": "card-processor"}
"""Part → the name in its label, if it is another one."""
BEFORE = "shopfloor.example/replicas-before"
"""The annotation with the number of replicas that a fault has changed."""
READ_METRICS = """
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:9000/metrics", timeout=10).read().decode())
"""


@dataclass(frozen=True)
class ClusterParts:
    """Deployments and StatefulSets with the label of a part. The functions are those of PartControl."""

    target: Target

    async def running(self, part: str) -> frozenset[str]:
        return frozenset(map(_id, _alive(part)))

    async def is_ready(self, part: str) -> bool:
        return is_ready(part)

    async def kill(self, part: str) -> None:
        _workloads(part)
        _delete(["--selector", _label(part)])

    async def stop(self, part: str) -> None:
        for one in _workloads(part):
            _remember(one)
            _scale(one, 0)
        await eventually(lambda: not _pods(part), f"Pods of {part} still run")

    async def start(self, part: str) -> None:
        for one in _workloads(part):
            _scale_back(one)
        await eventually(lambda: is_ready(part), f"The pods of {part} are not ready")

    async def freeze(self, part: str) -> None:
        raise UserError("A pod cannot be suspended from inside: choose another fault, or another --target.")

    async def frozen(self, part: str) -> int:
        return 0

    async def resume(self, part: str) -> None:
        """Nothing is suspended on a cluster."""

    async def is_member(self, service: str) -> bool:
        return service in self.target.service_urls and await has_members(self.target, service)

    async def forget_member(self, service: str) -> None:
        """A pod that was stopped has left its group: its member has no fixed name."""

    async def metrics(self, service: str) -> dict[str, str]:
        found = {}
        for name in (pod["metadata"]["name"] for pod in _alive(service)):
            try:
                found[name] = kubectl("exec", name, "--", "python", "-S", "-c", READ_METRICS)
            except UserError:
                continue  # It is starting or ending.
        return found

    def replicas(self, service: str, count: int) -> Sequence[Process]:
        return [PodReplica(service) for _ in range(count)]

    async def end_replicas(self, service: str, count: int) -> None:
        _scale_back(_worker(service))

    def login(self, service: str) -> KafkaAccess:
        return kafka_login(self.target.kafka, service)


@dataclass(frozen=True)
class PodReplica:
    """One more pod of a service's worker, which Kubernetes chooses."""

    service: str

    @property
    def name(self) -> str:
        """Its name in reports."""
        return f"a pod of {self.service}-worker"

    async def start(self) -> None:
        """Scale the worker up, and return when its pods are ready."""
        worker = _worker(self.service)
        _remember(worker)
        _scale(worker, worker["spec"]["replicas"] + 1)
        await eventually(lambda: is_ready(self.service), f"The pods of {self.service} are not ready")

    async def stop(self) -> None:
        """Scale the worker down: a pod ends by an orderly shutdown."""
        worker = _worker(self.service)
        _scale(worker, worker["spec"]["replicas"] - 1)

    async def kill(self) -> None:
        """Delete the youngest pod at once, and scale the worker down."""
        alive = sorted(_alive(self.service), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
        of_worker = [name for pod in alive if "-worker-" in (name := str(pod["metadata"]["name"]))]
        await self.stop()
        if of_worker:
            _delete(of_worker[-1:])


def is_ready(part: str) -> bool:
    """Whether each workload of a part has as many ready pods as it wants, and wants one at least."""
    wanted = sum(int(one["spec"]["replicas"]) for one in _workloads(part))
    ready = sum(map(_is_ready, _alive(part)))
    return 0 < wanted <= ready


def _label(part: str) -> str:
    return f"app.kubernetes.io/name={NAMES.get(part, part)}"


def _workloads(part: str) -> list[dict[str, Any]]:
    """The Deployments and StatefulSets of a part. Raises UserError if there is none."""
    found: list[dict[str, Any]] = json.loads(
        kubectl("get", "deployments,statefulsets", "--selector", _label(part), "--output", "json")
    )["items"]
    if not found:
        raise UserError(
            f"The cluster has no workload with the label {_label(part)}: it runs {part} in another way, "
            "or has no such part."
        )
    return found


def _worker(service: str) -> dict[str, Any]:
    named = [one for one in _workloads(service) if one["metadata"]["name"] == f"{service}-worker"]
    if not named:
        raise UserError(f"The cluster has no Deployment {service}-worker: choose a service.")
    return named[0]


def _pods(part: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        kubectl("get", "pods", "--selector", _label(part), "--output", "json")
    )["items"]
    return [pod for pod in found if pod["status"].get("phase") != "Succeeded"]


def _alive(part: str) -> list[dict[str, Any]]:
    """The pods that run and are not being deleted."""
    return [
        pod
        for pod in _pods(part)
        if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
    ]


def _id(pod: dict[str, Any]) -> str:
    """A container that ended and was started again is another process, in the same pod."""
    restarts = sum(one["restartCount"] for one in pod["status"].get("containerStatuses", ()))
    return f"{pod['metadata']['uid']}/{restarts}"


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _delete(pods: Iterable[str]) -> None:
    kubectl("delete", "pods", *pods, "--grace-period=0", "--force", "--wait=false")


def _name(workload: dict[str, Any]) -> str:
    return f"{workload['kind'].lower()}/{workload['metadata']['name']}"


def _remember(workload: dict[str, Any]) -> None:
    """Note the present number of replicas, unless a number is noted."""
    if BEFORE not in workload["metadata"].get("annotations", {}):
        kubectl("annotate", _name(workload), f"{BEFORE}={workload['spec']['replicas']}")


def _scale(workload: dict[str, Any], replicas: int) -> None:
    kubectl("scale", _name(workload), f"--replicas={replicas}")


def _scale_back(workload: dict[str, Any]) -> None:
    """Set the number of replicas that was noted. Without effect if there is none."""
    if before := workload["metadata"].get("annotations", {}).get(BEFORE):
        _scale(workload, int(before))
        kubectl("annotate", _name(workload), f"{BEFORE}-")
