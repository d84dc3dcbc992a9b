"""The policy of the management port: probes and metrics are read there, and no other way leads there."""

from collections.abc import Iterator, Sequence

from tests.kubernetes.rendered import Object, containers, is_monolith, is_service, name_of, of_kind, role_of

PUBLIC = {"http": 8000}
MANAGEMENT = {"management": 9000}
OF_MODULES = {"http": 8001, "management": 9001}
"""The ports with a name of a process with several modules: those of the first one. Its /metrics has all of them."""
MANAGEMENT_TARGETS = {*MANAGEMENT, *range(9000, 9100)}
"""Each name and number that a management port has."""
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def management(objects: Sequence[Object]) -> Iterator[str]:
    """Probes and metrics are read on the management port. No port of another Service and no route leads to it."""
    for one in filter(is_service, of_kind(objects, "Deployment")):
        yield from _pod_faults(one)
    for one in of_kind(objects, "PodMonitor"):
        endpoints = [endpoint["port"] for endpoint in one["spec"]["podMetricsEndpoints"]]
        if one["metadata"]["name"] == "services" and endpoints != ["management"]:
            yield f"{name_of(one)}: reads metrics at {endpoints}"
    closed = [one for one in of_kind(objects, "Service") if _leads_to_management(one)]
    for one in closed:
        if len(one["spec"]["ports"]) > 1 or not one["metadata"]["name"].endswith("-management"):
            yield f"{name_of(one)}: opens the management port beside another"
    for route in of_kind(objects, "HTTPRoute"):
        for backend in (backend for rule in route["spec"]["rules"] for backend in rule["backendRefs"]):
            is_closed = backend["name"] in [one["metadata"]["name"] for one in closed]
            if is_closed or backend["port"] in MANAGEMENT.values():
                yield f"{name_of(route)}: leads to the management port"


def _pod_faults(deployment: Object) -> Iterator[str]:
    (container,) = containers(deployment, init=False)
    ports = {port.get("name", ""): port["containerPort"] for port in container["ports"]}
    if is_monolith(deployment):
        # It asks all modules if it is ready (test_monolith.py), and has a port without a name for each of the others.
        probes = [probe for probe in PROBES if probe != "readinessProbe"]
        ports.pop("", None)
        expected = OF_MODULES
    else:
        probes = [*PROBES]
        expected = PUBLIC | MANAGEMENT if role_of(deployment) == "api" else MANAGEMENT
    if ports != expected:
        yield f"{name_of(deployment)}: its ports are {ports}"
    for probe in probes:
        if container.get(probe, {}).get("httpGet", {}).get("port") != "management":
            yield f"{name_of(deployment)}: its {probe} does not ask the management port"


def _leads_to_management(service: Object) -> bool:
    targets = {port.get("targetPort", port["port"]) for port in service["spec"]["ports"]}
    return not targets.isdisjoint(MANAGEMENT_TARGETS)
