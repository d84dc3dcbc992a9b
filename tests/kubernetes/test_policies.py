"""The policies against every overlay, and each policy against a violation that it must catch."""

from collections.abc import Callable, Iterable, Sequence

import pytest

from tests.kubernetes import policies
from tests.kubernetes.management import management
from tests.kubernetes.rendered import OVERLAYS, Object, find, of_kind, pod_of, rendered

Policy = Callable[[Sequence[Object]], Iterable[str]]


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("policy", policies.POLICIES, ids=lambda policy: policy.__name__)
def test_every_overlay_keeps_every_policy(overlay: str, policy: Policy) -> None:
    assert list(policy(rendered(overlay))) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_password_is_in_an_overlay(overlay: str) -> None:
    assert of_kind(rendered(overlay), "Secret") == []


@pytest.mark.parametrize("overlay", ["operators", "prod"])
def test_in_an_overlay_for_business_apis_follow_cpu_and_workers_lag(overlay: str) -> None:
    assert policies.unscaled(rendered(overlay)) == []


def deployment(objects: Sequence[Object], name: str = "orders-worker") -> Object:
    return find(objects, "Deployment", name)


def container(objects: Sequence[Object], name: str = "orders-worker") -> Object:
    first: Object = pod_of(deployment(objects, name))["containers"][0]
    return first


def api(objects: Sequence[Object]) -> Object:
    return container(objects, "orders-api")


def set_variable(container: Object, name: str, value: str) -> None:
    for one in container["env"]:
        if one["name"] == name:
            one["value"] = value


def backend(objects: Sequence[Object]) -> Object:
    """The Service to which the gateway sends."""
    first: Object = find(objects, "HTTPRoute", "orders")["spec"]["rules"][0]["backendRefs"][0]
    return first


def drop_budgets(objects: list[Object]) -> None:
    objects[:] = [one for one in objects if one["kind"] != "PodDisruptionBudget"]


def drop_autoscaler(objects: list[Object], kind: str, name: str) -> None:
    objects.remove(find(objects, kind, name))


def drop_settings(objects: list[Object]) -> None:
    objects[:] = [one for one in objects if not one["metadata"]["name"].startswith("orders-settings")]


PLANTED: list[tuple[Policy, Callable[[list[Object]], object]]] = [
    (policies.schemas, lambda o: container(o).update(livenesProbe={})),
    (policies.schemas, lambda o: find(o, "KafkaTopic", "orders.order.v1")["spec"].update(partition=3)),
    (policies.restricted, lambda o: pod_of(deployment(o))["securityContext"].pop("runAsNonRoot")),
    (policies.restricted, lambda o: pod_of(deployment(o))["securityContext"].pop("seccompProfile")),
    (policies.restricted, lambda o: pod_of(deployment(o)).pop("automountServiceAccountToken")),
    (policies.restricted, lambda o: pod_of(deployment(o)).update(hostNetwork=True)),
    (policies.restricted, lambda o: pod_of(deployment(o))["volumes"].append({"name": "x", "hostPath": {}})),
    (policies.restricted, lambda o: container(o)["securityContext"].pop("allowPrivilegeEscalation")),
    (
        policies.restricted,
        lambda o: container(o)["securityContext"].update(capabilities={"drop": ["NET_RAW"]}),
    ),
    (policies.restricted, lambda o: container(o)["securityContext"].update(readOnlyRootFilesystem=False)),
    (policies.restricted, lambda o: container(o)["securityContext"].update(privileged=True)),
    (
        policies.restricted,
        lambda o: pod_of(deployment(o))["initContainers"][0].pop("securityContext"),
    ),
    (policies.probes, lambda o: container(o).pop("startupProbe")),
    (policies.probes, lambda o: container(o)["livenessProbe"]["httpGet"].update(path="/readyz")),
    (policies.probes, lambda o: container(o)["readinessProbe"]["httpGet"].update(path="/livez")),
    (management, lambda o: container(o)["livenessProbe"]["httpGet"].update(port="http")),
    (management, lambda o: api(o)["readinessProbe"]["httpGet"].update(port=8000)),
    (management, lambda o: container(o)["ports"].append({"name": "http", "containerPort": 8000})),
    (management, lambda o: api(o)["ports"][1].update(containerPort=8000)),
    (
        management,
        lambda o: find(o, "PodMonitor", "services")["spec"]["podMetricsEndpoints"][0].update(port="http"),
    ),
    (
        management,
        lambda o: find(o, "Service", "orders-api")["spec"]["ports"].append({"name": "more", "port": 9000}),
    ),
    (management, lambda o: backend(o).update(name="orders-management", port=9000)),
    (management, lambda o: backend(o).update(port=9000)),
    (policies.limits, lambda o: container(o)["resources"]["limits"].pop("memory")),
    (policies.limits, lambda o: pod_of(deployment(o))["initContainers"][0].pop("resources")),
    (policies.labels, lambda o: deployment(o)["metadata"]["labels"].pop("app.kubernetes.io/part-of")),
    (policies.images, lambda o: container(o).update(image="localhost/shopfloor/orders:latest")),
    (policies.images, lambda o: container(o).update(image="localhost/shopfloor/orders")),
    (policies.images, lambda o: container(o).update(image="shopfloor/orders:dev")),
    (policies.availability, drop_budgets),
    (policies.availability, lambda o: deployment(o)["spec"]["strategy"].pop("rollingUpdate")),
    (policies.availability, lambda o: pod_of(deployment(o)).pop("topologySpreadConstraints")),
    (policies.availability, lambda o: pod_of(deployment(o)).pop("terminationGracePeriodSeconds")),
    (policies.availability, lambda o: set_variable(api(o), "HTTP_ANNOUNCE_CLOSE_SECONDS", "5")),
    (policies.availability, lambda o: set_variable(api(o), "HTTP_ANNOUNCE_CLOSE_SECONDS", "16")),
    (policies.scaling, lambda o: deployment(o, "orders-api")["spec"].update(replicas=2)),
    (policies.scaling, lambda o: deployment(o)["metadata"].update(name="renamed")),
    (
        policies.scaling,
        lambda o: find(o, "ScaledObject", "orders-worker")["spec"]["triggers"][0]["metadata"].pop("version"),
    ),
    (
        policies.scaling,
        lambda o: find(o, "ScaledObject", "orders-worker")["spec"]["triggers"][0]["metadata"].pop(
            "offsetResetPolicy"
        ),
    ),
    (policies.unscaled, lambda o: drop_autoscaler(o, "ScaledObject", "orders-worker")),
    (policies.unscaled, lambda o: drop_autoscaler(o, "HorizontalPodAutoscaler", "orders-api")),
    (
        policies.unscaled,
        lambda o: find(o, "HorizontalPodAutoscaler", "orders-api")["spec"]["metrics"][0]["resource"].update(
            name="memory"
        ),
    ),
    (policies.secrets, lambda o: of_kind(o, "ConfigMap")[0]["data"].update(DATABASE_PASSWORD="x")),
    (policies.secrets, lambda o: container(o)["env"].append({"name": "SMTP_PASSWORD", "value": "x"})),
    (policies.secrets, lambda o: container(o)["env"].append({"name": "SMTP_PASSWORD_FILE", "value": "x"})),
    (
        policies.secrets,
        lambda o: container(o)["envFrom"].append({"secretRef": {"name": "orders-database-owner"}}),
    ),
    (policies.references, drop_settings),
    (policies.references, lambda o: container(o)["envFrom"].append({"secretRef": {"name": "of-nobody"}})),
    (policies.references, lambda o: find(o, "Service", "orders-api")["spec"].update(selector={"no": "pod"})),
]


@pytest.mark.parametrize(("policy", "plant"), PLANTED, ids=range(len(PLANTED)))
def test_a_planted_violation_is_caught(policy: Policy, plant: Callable[[list[Object]], object]) -> None:
    objects = rendered("prod")
    plant(objects)
    assert list(policy(objects))
