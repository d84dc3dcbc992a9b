"""Every overlay passes the API server: each object is taken in a dry run, and a planted fault is not."""

import copy
from collections.abc import Iterator, Sequence

import pytest
import yaml

from shop_stack.errors import UserError
from shop_stack.kubernetes import kubectl
from tests.kubernetes.definitions import definition
from tests.kubernetes.rendered import OVERLAYS, Object, find, pod_of, rendered

ELSEWHERE = "shopfloor-dry-run"
"""A namespace of its own: what is tried must not meet the shop that runs."""


def try_out(objects: Sequence[Object]) -> str:
    """What the API server says when it is asked to take the objects; raises UserError if it does not."""
    moved = [one for one in copy.deepcopy(objects) if one["kind"] != "Namespace"]
    for one in moved:
        one["metadata"]["namespace"] = ELSEWHERE
    apply = ("apply", "--server-side", "--dry-run=server", "--filename", "-")
    return kubectl("--namespace", ELSEWHERE, *apply, stdin=yaml.safe_dump_all(moved))


@pytest.fixture(scope="module")
def place() -> Iterator[None]:
    """A namespace, and the kinds that this cluster lacks; both are gone afterwards."""
    namespace = find(rendered("local"), "Namespace", "shopfloor")
    namespace["metadata"]["name"] = ELSEWHERE
    kinds = {(one["apiVersion"], one["kind"]) for overlay in OVERLAYS for one in rendered(overlay)}
    known = kubectl("api-resources", "--no-headers", "--output", "name").split()
    custom = [definition(*kind) for kind in sorted(kinds) if is_custom(kind[0])]
    lacking = [one for one in custom if one["metadata"]["name"] not in known]
    made = yaml.safe_dump_all([namespace, *lacking])
    try:
        kubectl("create", "--filename", "-", stdin=made)
        for one in lacking:
            name = f"customresourcedefinition/{one['metadata']['name']}"
            kubectl("wait", "--for=condition=Established", name, "--timeout=60s")
        yield
    finally:
        kubectl("delete", "--ignore-not-found", "--filename", "-", stdin=made)


def is_custom(api_version: str) -> bool:
    group = api_version.rpartition("/")[0]
    return ("." in group and not group.endswith("k8s.io")) or group.startswith("gateway.")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_api_server_takes_every_object_of_an_overlay(place: None, overlay: str) -> None:
    objects = rendered(overlay)
    said = try_out(objects)
    assert said.count("(server dry run)") == len(objects) - 1, "all but the namespace"


@pytest.mark.parametrize(
    "fault", ["a field of ours", "a field of an operator's", "a wrong type", "no selector"]
)
def test_the_api_server_refuses_a_planted_fault(place: None, fault: str) -> None:
    objects = rendered("prod")
    worker = find(objects, "Deployment", "orders-worker")
    match fault:
        case "a field of ours":
            pod_of(worker)["containers"][0]["livenesProbe"] = {}
        case "a field of an operator's":
            find(objects, "KafkaTopic", "orders.order.v1")["spec"]["partition"] = 3
        case "a wrong type":
            find(objects, "ScaledObject", "orders-worker")["spec"]["maxReplicaCount"] = "many"
        case "no selector":
            del worker["spec"]["selector"]
    with pytest.raises(UserError):
        try_out(objects)
