"""What a drill must not have done: pure functions from what was seen to what is wrong with it, in sentences.

Beside the oracle, which judges orders, stock and money, a drill has to answer for customers and for pods. Each
function here is seen to catch what it is for in tests/kubernetes/test_checks.py, where no cluster is needed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shop_load.closed_loop import Placed
from shop_observe.history import Request
from shop_oracle.report import Verdict

Seen = Mapping[str, Any]
"""An object as the API server tells it."""


@dataclass
class Sales:
    """What customers did during a drill."""

    run: str
    placed: list[Placed] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    @property
    def failed(self) -> list[Request]:
        """Requests without an answer, or with the shop's own trouble for an answer. 429 is a refusal in order."""
        return [one for one in self.requests if one.status is None or one.status >= 500]


def verdict_faults(verdict: Verdict, *, traces: bool = False) -> list[str]:
    """What the oracle has against the shop; with `traces` also that it saw no trace to judge."""
    if not verdict.holds:
        return [json.dumps(verdict.as_json(), indent=1)]
    return [ruling.judgement.unjudged for ruling in verdict.rulings if traces and ruling.judgement.unjudged]


def customer_faults(sales: Sales, operations: Collection[str] = ()) -> list[str]:
    """Customers who got no answer or a 5xx; of these operations, or of all if none is named."""
    if not sales.placed:
        return ["nobody bought anything, so nothing was tried"]
    return [
        f"{one.operation} {one.key or one.subject}: {one.status or 'no answer'}"
        for one in sales.failed
        if not operations or one.operation in operations
    ]


def unconfirmed(sales: Sales, states: Mapping[str, str]) -> list[str]:
    """Orders that were placed and are not CONFIRMED; `states` is the state of each order."""
    found = ((one.order_id, states.get(one.order_id, "nowhere")) for one in sales.placed)
    return [f"order {order} is {state}" for order, state in found if state != "CONFIRMED"]


def template_faults(before: Sequence[Seen], after: Sequence[Seen]) -> list[str]:
    """Deployments that ask for other containers than before, or are gone."""
    now = {one["metadata"]["name"]: containers_of(one) for one in after}
    names = ((one["metadata"]["name"], containers_of(one)) for one in before)
    return [f"{name} is not as it was" for name, was in names if now.get(name) != was]


def containers_of(deployment: Seen) -> Any:
    return deployment["spec"]["template"]["spec"]["containers"]


def restart_faults(before: Sequence[Seen], after: Sequence[Seen]) -> list[str]:
    """Pods that were there before and have been restarted since, or are gone."""
    now = {one["metadata"]["name"]: restarts_of(one) for one in after}
    names = ((one["metadata"]["name"], restarts_of(one)) for one in before)
    return [
        f"{name} was restarted" if name in now else f"{name} is gone"
        for name, were in names
        if now.get(name) != were
    ]


def restarts_of(pod: Seen) -> int:
    return sum(status["restartCount"] for status in pod["status"].get("containerStatuses", []))


def evicted(pods: Iterable[Seen]) -> set[str]:
    """Names of pods that the kubelet has taken off its node."""
    return {pod["metadata"]["name"] for pod in pods if pod["status"].get("reason") == "Evicted"}


def is_left_waiting(pod: Seen, resource: str) -> bool:
    """Whether the scheduler finds no node with enough of a resource for the pod."""
    return any(
        condition["type"] == "PodScheduled"
        and condition["status"] == "False"
        and f"Insufficient {resource}" in condition.get("message", "")
        for condition in pod["status"].get("conditions", [])
    )


def has_condition(node: Seen, kind: str) -> bool:
    return any(one["type"] == kind and one["status"] == "True" for one in node["status"]["conditions"])


def reasons(pods: Iterable[Seen]) -> set[str]:
    """Why containers wait or have ended, now or last time: `ImagePullBackOff`, `OOMKilled`, …"""
    return {
        ended["reason"]
        for pod in pods
        for status in pod["status"].get("containerStatuses", [])
        for state in (status["state"], status["lastState"])
        for kind in ("waiting", "terminated")
        if (ended := state.get(kind)) and "reason" in ended
    }


def replica_faults(deployment: Seen, wanted: int) -> list[str]:
    """How a Deployment is not at this number of replicas, all of them ready."""
    counts = {
        "asked for": deployment["spec"]["replicas"],
        "there": deployment["status"].get("replicas", 0),
        "ready": deployment["status"].get("readyReplicas", 0),
    }
    return [f"{count} {what}, not {wanted}" for what, count in counts.items() if count != wanted]


def drain_faults(deployment: Seen, *, held: bool, nodes: int) -> list[str]:
    """What a drain must not have done to a Deployment; `held`: whether a disruption budget stood in its way."""
    name = deployment["metadata"]["name"]
    nobody = [] if deployment["status"].get("readyReplicas") else [f"nobody is left of {name}"]
    return nobody + ([] if held or nodes > 1 else ["every pod had nowhere to go, and went"])


def reading_faults(committed: Mapping[int, int], ends: Mapping[int, int], new: Collection[int]) -> list[str]:
    """What a group has not read of a topic; `committed` and `ends` are offsets by partition, `new` those added."""
    behind = [
        f"partition {partition}: {committed.get(partition, 0)} of {end} read"
        for partition, end in sorted(ends.items())
        if committed.get(partition, 0) < end
    ]
    return behind or ([] if not new or any(ends[one] for one in new) else ["nothing came to what is new"])
