"""Every broker demands a login, TLS and a right, and each worker logs in as its own user."""

import subprocess
from collections.abc import Callable, Iterator, Sequence

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from shop_stack import rights
from tests.broker_settings import SECURED, listener_faults, pairs, right_faults
from tests.kubernetes.rendered import (
    FIVE_SERVICES,
    OVERLAYS,
    ROOT,
    SERVICES,
    Object,
    containers,
    find,
    labels_of,
    mounted_secrets,
    name_of,
    of_kind,
    pod_of,
    rendered,
    workloads,
)

BROKER_KEY = "kafka-broker-certificate"
KNOWS_ALL = {"Job declare-topics"}
"""It creates the users."""
KNOWS_SUPER_USER = {"Job declare-topics", "StatefulSet kafka"}
USERS = {*SERVICES, rights.ORACLE, rights.KEDA}


def faults(objects: Sequence[Object]) -> list[str]:
    return [
        *(fault for one in of_kind(objects, "StatefulSet") for fault in single_broker_faults(one)),
        *(fault for one in of_kind(objects, "Kafka") for fault in strimzi_faults(one)),
        *(fault for name in SERVICES for fault in worker_faults(name, objects)),
        *(fault for one in of_kind(objects, "Job") for fault in job_faults(one)),
        *(fault for one in workloads(objects) for fault in secret_faults(one)),
        *(fault for one in of_kind(objects, "TriggerAuthentication") for fault in keda_faults(one, objects)),
    ]


def variables(container: Object) -> dict[str, str]:
    """Name → value, or the Secret that has it."""
    found: dict[str, str] = {}
    for variable in container.get("env", []):
        secret = variable.get("valueFrom", {}).get("secretKeyRef", {})
        found[variable["name"]] = variable.get("value") or secret.get("name", "")
    return found


def single_broker_faults(stateful_set: Object) -> Iterator[str]:
    (container, *_) = containers(stateful_set)
    broker = variables(container)
    if "KAFKA_LISTENERS" not in broker:
        return
    yield from listener_faults(broker)
    yield from right_faults(broker)
    controller = pairs(broker["KAFKA_LISTENERS"], "://")[broker["KAFKA_CONTROLLER_LISTENER_NAMES"]]
    if not controller.startswith("localhost:"):
        yield "other pods reach the controller"
    if broker.get("KAFKA_LISTENER_NAME_FORWARDED_SASL_ENABLED_MECHANISMS") != "SCRAM-SHA-512":
        yield "the super user can log in from outside of the cluster"


def strimzi_faults(kafka: Object) -> Iterator[str]:
    spec = kafka["spec"]["kafka"]
    for listener in spec["listeners"]:
        if listener.get("tls") is not True:
            yield f"listener {listener['name']} has no TLS"
        if listener.get("authentication", {}).get("type") != "scram-sha-512":
            yield f"listener {listener['name']} asks for no login"
    if spec.get("authorization", {}).get("type") != "simple":
        yield "no authorizer is set"
    if spec["authorization"].get("superUsers"):
        yield "there is a super user beside the operator"


def worker_faults(service: str, objects: Sequence[Object]) -> Iterator[str]:
    worker = find(objects, "Deployment", f"{service}-worker")
    wanted = {
        "KAFKA_SECURITY_PROTOCOL": SECURED,
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": service,
        "KAFKA_SASL_PASSWORD_FILE": "/run/passwords/kafka/password",
        "KAFKA_SSL_CAFILE": "/run/kafka/ca.crt",
    }
    found = variables(next(containers(worker)))
    for name, value in wanted.items():
        if found.get(name) != value:
            yield f"{service}-worker has {found.get(name)} as {name}"
    if mounted_secrets(worker).get("/run/passwords/kafka") != service:
        yield f"{service}-worker does not mount its password"


def job_faults(job: Object) -> Iterator[str]:
    """The job has the password of each user, and logs in itself over TLS."""
    found = variables(next(containers(job)))
    if found.get("KAFKA_SECURITY_PROTOCOL") != SECURED or found.get("KAFKA_SASL_USERNAME") != rights.STACK:
        yield f"{name_of(job)} does not log in as {rights.STACK}"
    for user in sorted(USERS):
        if found.get(f"{user.upper()}_KAFKA_PASSWORD") != user:
            yield f"{name_of(job)} lacks the password of {user}"


def secrets_of(part: object) -> set[str]:
    """The names of all Secrets in a part of a manifest."""
    if isinstance(part, list):
        return {name for each in part for name in secrets_of(each)}
    if not isinstance(part, dict):
        return set()
    found = {name for value in part.values() for name in secrets_of(value)}
    for key in ("secretKeyRef", "secretRef", "secret"):
        if isinstance(part.get(key), dict):
            found.add(part[key].get("name") or part[key]["secretName"])
    return found


def secret_faults(workload: Object) -> Iterator[str]:
    """A pod knows the password of its own user, and only the broker has the private key of its certificate."""
    owner = name_of(workload)
    found = secrets_of(pod_of(workload))
    labels = labels_of(workload)
    own = {labels["app.kubernetes.io/name"]} if labels["app.kubernetes.io/component"] == "worker" else set()
    if owner == "Deployment floor":
        own = {rights.ORACLE}  # it reads all topics and writes none
    for user in sorted(found & USERS - own):
        if owner not in KNOWS_ALL:
            yield f"{owner} knows the password of {user}"
    if rights.STACK in found and owner not in KNOWS_SUPER_USER:
        yield f"{owner} knows the password of the super user"
    if BROKER_KEY in found and owner != "StatefulSet kafka":
        yield f"{owner} has the private key of the broker"


def keda_faults(authentication: Object, objects: Sequence[Object]) -> Iterator[str]:
    settings = find(objects, "ConfigMap", "kafka-lag")["data"]
    if settings != {"sasl": "scram_sha512", "tls": "enable", "username": rights.KEDA}:
        yield "KEDA does not log in over TLS"
    secrets = {one["parameter"]: one["name"] for one in authentication["spec"].get("secretTargetRef", [])}
    if secrets.get("password") != rights.KEDA or "ca" not in secrets:
        yield "KEDA has no password of its own"


@pytest.mark.parametrize("overlay", FIVE_SERVICES)
def test_brokers_and_their_clients_keep_the_rules(overlay: str) -> None:
    objects = rendered(overlay)
    assert [one for one in objects if one["metadata"]["name"] in ("kafka", "shopfloor")] != []
    assert faults(objects) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_connects_in_plain_text(overlay: str) -> None:
    assert "PLAINTEXT" not in yaml.safe_dump_all(rendered(overlay))


def test_strimzi_has_a_user_for_each_principal() -> None:
    assert {one["metadata"]["name"] for one in of_kind(rendered("prod"), "KafkaUser")} == USERS


def printed_secrets() -> dict[str, dict[str, str]]:
    script = [str(ROOT / "deploy" / "k8s" / "secrets.sh"), "local"]
    printed = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    return {one["metadata"]["name"]: one["stringData"] for one in yaml.safe_load_all(printed) if one}


def test_the_certificate_has_each_name_by_which_clients_reach_the_broker() -> None:
    objects = rendered("local")
    broker = variables(next(containers(find(objects, "StatefulSet", "kafka"))))
    job = variables(next(containers(find(objects, "Job", "declare-topics"))))
    platform = next(
        one for one in of_kind(objects, "ConfigMap") if one["metadata"]["name"].startswith("platform")
    )
    advertised = broker["KAFKA_ADVERTISED_LISTENERS"].replace("$(NAMESPACE)", "shopfloor")
    addresses = [
        *pairs(advertised, "://").values(),
        job["KAFKA_BOOTSTRAP_SERVERS"],
        platform["data"]["KAFKA_BOOTSTRAP_SERVERS"],
    ]
    names = certified_names(printed_secrets()[BROKER_KEY]["broker.pem"])
    assert {address.partition(":")[0] for address in addresses} <= names
    assert "localhost" in names


def certified_names(pem: str) -> set[str]:
    certificate = x509.load_pem_x509_certificate(pem.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in names}


def test_the_ca_has_signed_the_certificate_and_its_private_key_is_printed_nowhere() -> None:
    printed = printed_secrets()
    pem = printed[BROKER_KEY]["broker.pem"].encode()
    authority = x509.load_pem_x509_certificate(printed["shopfloor-cluster-ca-cert"]["ca.crt"].encode())
    certificate = x509.load_pem_x509_certificate(pem)
    certificate.verify_directly_issued_by(authority)
    key = load_pem_private_key(pem, password=None)
    assert key.public_key() == certificate.public_key()
    assert key.public_key() != authority.public_key()
    assert str(printed).count("PRIVATE KEY-----") == 2, "one key has a beginning and an end"


def broker_of(objects: Sequence[Object]) -> Object:
    return next(containers(find(objects, "StatefulSet", "kafka")))


def change(container: Object, name: str, value: str | None) -> None:
    """Give a variable another value, or drop it."""
    container["env"] = [one for one in container["env"] if one["name"] != name]
    if value is not None:
        container["env"].append({"name": name, "value": value})


def worker_of(objects: Sequence[Object], service: str = "orders") -> Object:
    return next(containers(find(objects, "Deployment", f"{service}-worker")))


def api_of(objects: Sequence[Object]) -> Object:
    return next(containers(find(objects, "Deployment", "orders-api")))


def know(container: Object, secret: str) -> None:
    variable = {"name": "X", "valueFrom": {"secretKeyRef": {"name": secret, "key": "password"}}}
    container.setdefault("env", []).append(variable)


def find_mount(container: Object, folder: str) -> Object:
    return next(one for one in container["volumeMounts"] if one["mountPath"] == folder)


def listener_of(objects: Sequence[Object]) -> Object:
    first: Object = of_kind(objects, "Kafka")[0]["spec"]["kafka"]["listeners"][0]
    return first


def authorization_of(objects: Sequence[Object]) -> Object:
    found: Object = of_kind(objects, "Kafka")[0]["spec"]["kafka"]["authorization"]
    return found


Plant = Callable[[Sequence[Object]], object]
INSIDE = "KAFKA_LISTENER_NAME_INSIDE_SASL_ENABLED_MECHANISMS"
FORWARDED = "KAFKA_LISTENER_NAME_FORWARDED_SASL_ENABLED_MECHANISMS"
MAP = "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"
OPEN_MAP = "INSIDE:SASL_SSL,CONTROLLER:SASL_SSL,FORWARDED:PLAINTEXT"
OPEN_LISTENERS = "INSIDE://:9092,CONTROLLER://:9093,FORWARDED://:9094"
PLANTED: list[tuple[str, Plant, str]] = [
    ("local", lambda o: change(broker_of(o), MAP, OPEN_MAP), "FORWARDED is PLAINTEXT"),
    ("local", lambda o: change(broker_of(o), INSIDE, None), "INSIDE has no mechanism"),
    ("local", lambda o: change(broker_of(o), "KAFKA_LISTENERS", OPEN_LISTENERS), "reach the controller"),
    ("local", lambda o: change(broker_of(o), "KAFKA_AUTHORIZER_CLASS_NAME", None), "no authorizer"),
    (
        "local",
        lambda o: change(broker_of(o), "KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND", "true"),
        "open to all",
    ),
    ("local", lambda o: change(broker_of(o), "KAFKA_SUPER_USERS", "User:orders"), "another super user"),
    ("local", lambda o: change(broker_of(o), FORWARDED, "SCRAM-SHA-512,PLAIN"), "outside of the cluster"),
    ("prod", lambda o: listener_of(o).update(tls=False), "has no TLS"),
    ("prod", lambda o: listener_of(o).pop("authentication"), "asks for no login"),
    ("prod", lambda o: authorization_of(o).update(type="opa"), "no authorizer"),
    ("prod", lambda o: authorization_of(o).update(superUsers=["orders"]), "super user beside"),
    ("prod", lambda o: change(worker_of(o), "KAFKA_SECURITY_PROTOCOL", None), "KAFKA_SECURITY_PROTOCOL"),
    (
        "prod",
        lambda o: change(worker_of(o), "KAFKA_SASL_PASSWORD_FILE", None),
        "None as KAFKA_SASL_PASSWORD_FILE",
    ),
    (
        "prod",
        lambda o: worker_of(o)["volumeMounts"].remove(find_mount(worker_of(o), "/run/passwords/kafka")),
        "does not mount its password",
    ),
    ("local", lambda o: change(worker_of(o), "KAFKA_SASL_USERNAME", "payments"), "payments as KAFKA_SASL_US"),
    ("local", lambda o: know(worker_of(o), "payments"), "knows the password of payments"),
    ("local", lambda o: know(api_of(o), "orders"), "Deployment orders-api knows the password of orders"),
    ("local", lambda o: know(worker_of(o), "topics"), "knows the password of the super user"),
    ("local", lambda o: know(worker_of(o), BROKER_KEY), "has the private key of the broker"),
    (
        "local",
        lambda o: change(next(containers(find(o, "Job", "declare-topics"))), "KEDA_KAFKA_PASSWORD", None),
        "lacks the password of keda",
    ),
    ("prod", lambda o: find(o, "ConfigMap", "kafka-lag")["data"].update(tls="disable"), "log in over TLS"),
    (
        "prod",
        lambda o: find(o, "TriggerAuthentication", "kafka-lag")["spec"].pop("secretTargetRef"),
        "KEDA has no password",
    ),
]


@pytest.mark.parametrize(("overlay", "plant", "fault"), PLANTED, ids=[fault for *_, fault in PLANTED])
def test_a_planted_fault_is_seen(overlay: str, plant: Plant, fault: str) -> None:
    objects = rendered(overlay)
    plant(objects)
    found = faults(objects)
    assert len(found) == 1, found
    assert fault in found[0]
