"""All services as one process on Kubernetes: what the overlay `monolith` has of its own.

Settings of its modules are those of Compose. The other rules are those of every overlay (test_policies.py).
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from tests.kubernetes.policies import references_in
from tests.kubernetes.rendered import (
    ROOT,
    SERVICES,
    Object,
    find,
    is_service,
    name_of,
    of_kind,
    pod_of,
    rendered,
    rendered_from,
    workloads,
)
from tests.kubernetes.test_network import Edge, matrix

COMPOSE = ROOT / "deploy" / "compose"
NAME = "monolith-api"
PROCESS = yaml.safe_load((COMPOSE / "monolith.yml").read_text())["services"]["monolith"]
MODULES = PROCESS["environment"]["LOCAL_MODULES"].split(",")
KEPT = ("NetworkPolicy", "Service")
"""Of these kinds a monolith has the objects of each service."""
OF_FIVE_SERVICES = (
    ("ServiceAccount", "orders-runtime"),
    ("PodDisruptionBudget", "analytics-worker"),
    ("StatefulSet", "kafka"),
    ("NetworkPolicy", "workers-to-broker"),
)


def process(objects: Sequence[Object]) -> Object:
    found: Object = pod_of(find(objects, "Deployment", NAME))["containers"][0]
    return found


def variables(container: Object) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in container["env"]}


def map_of(objects: Sequence[Object], name: str) -> dict[str, str]:
    """The content of a ConfigMap, whose name ends with a hash."""
    (found,) = (one for one in of_kind(objects, "ConfigMap") if re.fullmatch(rf"{name}-\w+", _name(one)))
    content: dict[str, str] = found["data"]
    return content


def _name(one: Object) -> str:
    name: str = one["metadata"]["name"]
    return name


def settings_of(objects: Sequence[Object], module: str) -> dict[str, str]:
    lines = map_of(objects, "monolith-modules")[f"{module}.env"].splitlines()
    return dict(line.split("=", 1) for line in lines)


def health_check() -> list[str]:
    """The command of the image's health check."""
    lines = (COMPOSE / "monolith" / "Dockerfile").read_text().splitlines()
    command: list[str] = json.loads(
        next(one for one in lines if "/readyz" in one).strip().removeprefix("CMD ")
    )
    return command


def faults(objects: Sequence[Object]) -> list[str]:
    return [
        *process_faults(objects),
        *migration_faults(objects),
        *service_faults(objects),
        *password_faults(objects),
        *login_faults(objects),
    ]


def process_faults(objects: Sequence[Object]) -> Iterator[str]:
    deployments = [name_of(one) for one in filter(is_service, workloads(objects))]
    if deployments != [f"Deployment {NAME}"]:
        yield f"the services run as {deployments}"
    found = variables(process(objects))
    if found["SHOP_ROLE"] != "all":
        yield "the process leaves work to others"
    if found["LOCAL_MODULES"].split(",") != MODULES:
        yield "its modules are not those of its image"
    if process(objects)["readinessProbe"].get("exec", {}).get("command") != health_check():
        yield "its readiness is not the health check of the image"
    if map_of(objects, "platform")["KAFKA_BOOTSTRAP_SERVERS"] != "none":
        yield "it looks for Kafka"
    common = found.keys() | map_of(objects, "platform").keys() | map_of(objects, "monolith-settings").keys()
    for module in MODULES:
        for variable in sorted(common & settings_of(objects, module).keys()):
            yield f"{variable} of the process replaces that of {module}"


def migration_faults(objects: Sequence[Object]) -> Iterator[str]:
    """Each module is migrated as its owner, and then the superuser provides the topics."""
    found = pod_of(find(objects, "Deployment", NAME))["initContainers"]
    if [one["name"] for one in found] != [*(f"migrate-{module}" for module in MODULES), "topics"]:
        yield "it does not migrate each module before it provides the topics"
        return
    for module, one in zip(MODULES, found, strict=False):
        if one["workingDir"] != f"/app/{module}":
            yield f"migrate-{module} has the migrations of {one['workingDir']}"
    owners = [*(f"{module}-database-owner" for module in MODULES), "postgres-superuser"]
    for owner, one in zip(owners, found, strict=True):
        secrets = {name for kind, name in references_in(one) if kind == "Secret"}
        if secrets != {owner}:
            yield f"{one['name']} logs in with {sorted(secrets)}"
    if variables(found[-1])["LOCAL_MODULES"].split(",") != MODULES:
        yield "topics of other modules are provided"


def service_faults(objects: Sequence[Object]) -> Iterator[str]:
    """The Services of each service lead to the two ports of its module."""
    for module in MODULES:
        settings = settings_of(objects, module)
        for name, variable in (("api", "HTTP_PORT"), ("management", "HTTP_MANAGEMENT_PORT")):
            service = find(objects, "Service", f"{module}-{name}")["spec"]
            (port,) = service["ports"]
            if str(port["targetPort"]) != settings[variable]:
                yield f"{module}-{name} leads to {port['targetPort']}"
            if port["targetPort"] not in [one["containerPort"] for one in process(objects)["ports"]]:
                yield f"the process does not name the port {port['targetPort']}"


def password_faults(objects: Sequence[Object]) -> Iterator[str]:
    """Each module has its password as a file that follows its Secret."""
    pod = pod_of(find(objects, "Deployment", NAME))
    mounts = {one["name"]: one for one in process(objects)["volumeMounts"]}
    volume = next(one["projected"] for one in pod["volumes"] if one["name"] == "database-passwords")
    folder = mounts["database-passwords"]["mountPath"]
    if "subPath" in mounts["database-passwords"]:
        yield "its passwords keep their first content"
    if volume["defaultMode"] != 0o440 or pod["securityContext"].get("fsGroup") != 10001:
        yield "its passwords are not for the user of the image alone"
    files = {
        f"{folder}/{item['path']}": (one["secret"]["name"], item["key"])
        for one in volume["sources"]
        for item in one["secret"]["items"]
    }
    for module in MODULES:
        if files.get(settings_of(objects, module)["DATABASE_PASSWORD_FILE"]) != (
            f"{module}-database",
            "password",
        ):
            yield f"{module} does not read its own password"


def login_faults(objects: Sequence[Object]) -> Iterator[str]:
    """Of the clients of the issuer it knows its own alone."""
    if {"secretRef": {"name": "card-processor-key"}} not in process(objects)["envFrom"]:
        yield "it has no login at the card processor"
    keys = [one["valueFrom"]["secretKeyRef"] for one in process(objects)["env"] if "valueFrom" in one]
    if keys != [{"name": "issuer-clients", "key": "ISSUER_NOTIFICATIONS_SECRET"}]:
        yield "it does not log in at the issuer as notifications alone"
    if {"secretRef": {"name": "issuer-clients"}} in process(objects)["envFrom"]:
        yield "it knows every client of the issuer"


def left_over(objects: Sequence[Object]) -> list[str]:
    """Objects of a shop with Kafka or with a process for each service."""
    kafka = re.compile(r"\b(kafka|broker|worker)")
    service = re.compile(rf"\b({'|'.join(SERVICES)})\b")
    return [
        name_of(one)
        for one in objects
        if kafka.search(name_of(one)) or (service.search(name_of(one)) and one["kind"] not in KEPT)
    ]


def test_all_services_are_one_process_with_the_ports_passwords_and_logins_of_each() -> None:
    assert faults(rendered("monolith")) == []


def test_there_is_no_kafka_and_nothing_of_five_services() -> None:
    assert left_over(rendered("monolith")) == []
    assert left_over([find(rendered("local"), kind, name) for kind, name in OF_FIVE_SERVICES]) == [
        f"{kind} {name}" for kind, name in OF_FIVE_SERVICES
    ]


def test_settings_and_the_script_of_the_database_are_those_of_compose() -> None:
    objects = rendered("monolith")
    for file in (COMPOSE / "monolith" / "settings").iterdir():
        assert map_of(objects, "monolith-modules")[file.name] == file.read_text()
    (script,) = (COMPOSE / "monolith" / "postgres").iterdir()
    scripts = map_of(objects, "postgres-roles")
    assert scripts["roles.sh"] == script.read_text()
    assert scripts.keys() == {"roles.sh", "set-roles.sh"}


def test_a_service_that_is_no_module_leaves_nothing_that_would_lead_to_a_module(tmp_path: Path) -> None:
    modules = [name_of(one) for one in rendered("monolith")]
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    base = tmp_path / "deploy" / "k8s" / "base"
    (base / "sixth").mkdir()
    service = (base / "analytics" / "kustomization.yaml").read_text()
    (base / "sixth" / "kustomization.yaml").write_text(service.replace("analytics", "sixth"))
    services = (base / "kustomization.yaml").read_text()
    (base / "kustomization.yaml").write_text(
        services.replace("  - analytics\n", "  - analytics\n  - sixth\n")
    )
    folder = tmp_path / "deploy" / "k8s" / "overlays" / "monolith"
    assert [name_of(one) for one in rendered_from(folder)] == modules


def edges() -> set[Edge]:
    """The connections of a monolith, and no others."""
    pods = (NAME, "postgres", "card-processor", "issuer", "spans", "tcp-proxy")
    found: set[Edge] = {(pod, "dns", 53) for pod in pods}
    found |= {(NAME, "postgres", 5432), (NAME, "spans", 4318)}
    found |= {(pod, name, 8000) for pod in (NAME, "tcp-proxy") for name in ("issuer", "card-processor")}
    return found | {("tcp-proxy", NAME, port) for port in (8001, 8005, 9001, 9005)}


def test_the_process_reaches_its_data_and_outside_systems_and_only_the_proxy_reaches_it() -> None:
    assert matrix(rendered("monolith")) == edges()


@pytest.mark.parametrize(
    "name", ["default-deny", "card-processor", "tcp-proxy-to-management", "services-to-issuer"]
)
def test_a_policy_too_few_is_caught(name: str) -> None:
    objects = [one for one in rendered("monolith") if one["metadata"]["name"] != name]
    assert matrix(objects) != edges()


def test_a_port_too_many_is_caught() -> None:
    objects = rendered("monolith")
    find(objects, "NetworkPolicy", "tcp-proxy")["spec"]["egress"][1]["ports"][0]["endPort"] = 9006
    find(objects, "NetworkPolicy", "tcp-proxy-to-management")["spec"]["ingress"][0]["ports"][0]["endPort"] = (
        9006
    )
    assert matrix(objects) - edges() == {("tcp-proxy", NAME, 9006)}


def init(objects: Sequence[Object]) -> list[Object]:
    found: list[Object] = pod_of(find(objects, "Deployment", NAME))["initContainers"]
    return found


def set_variable(container: Object, name: str, value: str) -> None:
    next(one for one in container["env"] if one["name"] == name)["value"] = value


def volume_of_passwords(objects: Sequence[Object]) -> Object:
    volumes = pod_of(find(objects, "Deployment", NAME))["volumes"]
    found: Object = next(one["projected"] for one in volumes if one["name"] == "database-passwords")
    return found


def mount_of_passwords(objects: Sequence[Object]) -> Object:
    mounts = process(objects)["volumeMounts"]
    found: Object = next(one for one in mounts if one["name"] == "database-passwords")
    return found


def secret_of_orders(objects: Sequence[Object]) -> Object:
    found: Object = volume_of_passwords(objects)["sources"][0]["secret"]
    return found


def target_of_payments(objects: Sequence[Object]) -> Object:
    found: Object = find(objects, "Service", "payments-management")["spec"]["ports"][0]
    return found


PLANTED: list[tuple[Callable[[list[Object]], object], str]] = [
    (
        lambda o: o.append(find(rendered("local"), "Deployment", "orders-worker")),
        "the services run as ['Deployment monolith-api', 'Deployment orders-worker']",
    ),
    (lambda o: set_variable(process(o), "SHOP_ROLE", "api"), "the process leaves work to others"),
    (
        lambda o: set_variable(process(o), "LOCAL_MODULES", "orders"),
        "its modules are not those of its image",
    ),
    (
        lambda o: process(o)["readinessProbe"].update(exec={"command": ["true"]}),
        "its readiness is not the health check of the image",
    ),
    (lambda o: map_of(o, "platform").update(KAFKA_BOOTSTRAP_SERVERS="kafka:9092"), "it looks for Kafka"),
    (
        lambda o: map_of(o, "monolith-settings").update(HTTP_PORT="8000"),
        "HTTP_PORT of the process replaces that of orders",
    ),
    (lambda o: init(o).reverse(), "it does not migrate each module before it provides the topics"),
    (
        lambda o: init(o)[1].update(workingDir="/app/orders"),
        "migrate-inventory has the migrations of /app/orders",
    ),
    (
        lambda o: init(o)[2]["envFrom"].append({"secretRef": {"name": "orders-database-owner"}}),
        "migrate-payments logs in with ['orders-database-owner', 'payments-database-owner']",
    ),
    (lambda o: set_variable(init(o)[5], "LOCAL_MODULES", "orders"), "topics of other modules are provided"),
    (lambda o: target_of_payments(o).update(targetPort=9001), "payments-management leads to 9001"),
    (lambda o: process(o)["ports"].pop(), "the process does not name the port 9005"),
    (lambda o: mount_of_passwords(o).update(subPath="x"), "its passwords keep their first content"),
    (
        lambda o: volume_of_passwords(o).update(defaultMode=0o444),
        "its passwords are not for the user of the image alone",
    ),
    (lambda o: secret_of_orders(o).update(name="payments-database"), "orders does not read its own password"),
    (lambda o: process(o)["envFrom"].pop(), "it has no login at the card processor"),
    (
        lambda o: process(o)["env"].append({"name": "X", "valueFrom": {"secretKeyRef": {"name": "topics"}}}),
        "it does not log in at the issuer as notifications alone",
    ),
    (
        lambda o: process(o)["envFrom"].append({"secretRef": {"name": "issuer-clients"}}),
        "it knows every client of the issuer",
    ),
]


@pytest.mark.parametrize(("plant", "fault"), PLANTED, ids=range(len(PLANTED)))
def test_a_planted_fault_is_seen(plant: Callable[[list[Object]], object], fault: str) -> None:
    objects = rendered("monolith")
    plant(objects)
    assert fault in faults(objects)
