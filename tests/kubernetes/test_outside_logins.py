"""A login to an outside system is known to the system, and to the one worker that calls it."""

from collections.abc import Callable, Sequence

import pytest

from tests.kubernetes.policies import references_in
from tests.kubernetes.rendered import FIVE_SERVICES, Object, find, name_of, pod_of, rendered, workloads

CARDS = "card-processor-key"
CLIENTS = "issuer-clients"
KNOWN_TO = {
    CARDS: {"StatefulSet card-processor", "Deployment payments-worker"},
    # The floor places orders as customers do, and reads dead letters as an operator.
    CLIENTS: {"StatefulSet issuer", "Deployment notifications-worker", "Deployment floor"},
}
ONE_SECRET = "ISSUER_NOTIFICATIONS_SECRET"
"""The only one of CLIENTS that a service has: its client reads addresses and nothing else."""


def login_faults(objects: Sequence[Object]) -> list[str]:
    """Which workload knows a login too many, and which lacks its own."""
    faults = []
    there = {name_of(one): {name for _, name in references_in(pod_of(one))} for one in workloads(objects)}
    for secret, allowed in KNOWN_TO.items():
        knows = {name for name, secrets in there.items() if secret in secrets}
        faults += [f"{name} knows {secret}" for name in sorted(knows - allowed)]
        faults += [f"{name} lacks {secret}" for name in sorted((allowed & there.keys()) - knows)]
    container = pod_of(find(objects, "Deployment", "notifications-worker"))["containers"][0]
    keys = [one["valueFrom"]["secretKeyRef"] for one in container["env"] if "valueFrom" in one]
    if {"name": CLIENTS, "key": ONE_SECRET} not in keys:
        faults.append("notifications does not log in as itself")
    if any(one.get("secretRef", {}).get("name") == CLIENTS for one in container["envFrom"]):
        faults.append("notifications knows every client of the issuer")
    return faults


@pytest.mark.parametrize("overlay", FIVE_SERVICES)
def test_only_the_worker_that_calls_an_outside_system_has_its_login(overlay: str) -> None:
    assert login_faults(rendered(overlay)) == []


def environment_from(objects: Sequence[Object], name: str) -> list[Object]:
    sources: list[Object] = pod_of(find(objects, "Deployment", name))["containers"][0]["envFrom"]
    return sources


@pytest.mark.parametrize(
    ("plant", "fault"),
    [
        (
            lambda o: environment_from(o, "orders-worker").append({"secretRef": {"name": CARDS}}),
            "Deployment orders-worker knows card-processor-key",
        ),
        (
            lambda o: environment_from(o, "payments-worker").remove({"secretRef": {"name": CARDS}}),
            "Deployment payments-worker lacks card-processor-key",
        ),
        (
            lambda o: environment_from(o, "notifications-worker").append({"secretRef": {"name": CLIENTS}}),
            "notifications knows every client of the issuer",
        ),
    ],
)
def test_a_login_too_many_or_too_few_is_seen(plant: Callable[[list[Object]], None], fault: str) -> None:
    objects = rendered("local")
    plant(objects)
    assert login_faults(objects) == [fault]
