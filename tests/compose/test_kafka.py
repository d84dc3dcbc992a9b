"""The broker of docker-compose.yml demands a login, TLS and a right, and each service logs in as itself."""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from shop_stack import rights
from tests.broker_settings import SECURED, listener_faults, pairs, right_faults

ROOT = Path(__file__).resolve().parents[2]
CA_KEY = "kafka-ca-key"
BROKER_KEY = "kafka-certificate"
PASSWORD = re.compile(r"\$\{(\w+)_KAFKA_PASSWORD\b")
DATABASE_PASSWORD = re.compile(r"(?!POSTGRES_)\w+_PASSWORD")
"""That of the superuser is used when the data volume is new, and is not rotated."""
Compose = dict[str, Any]


def composed() -> Compose:
    document: Compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


def contract() -> list[dict[str, Any]]:
    topics: list[dict[str, Any]] = yaml.safe_load((ROOT / "contracts/topics.yaml").read_text())["topics"]
    return topics


SERVICES = rights.services_of(contract())


def faults(document: Mapping[str, Any]) -> list[str]:
    services = document["services"]
    return [
        *listener_faults(services["kafka"]["environment"]),
        *controller_faults(services["kafka"]["environment"]),
        *right_faults(services["kafka"]["environment"]),
        *published_faults(services["kafka"]),
        *name_faults(services),
        *(fault for name in SERVICES for fault in login_faults(name, services[name])),
        *password_faults(services),
        *volume_faults(services),
    ]


def controller_faults(broker: Mapping[str, str]) -> Iterator[str]:
    controller = pairs(broker["KAFKA_LISTENERS"], "://")[broker["KAFKA_CONTROLLER_LISTENER_NAMES"]]
    if controller.rpartition(":")[0] not in ("localhost", "127.0.0.1"):
        yield "other containers reach the controller"


def published_faults(kafka: Mapping[str, Any]) -> Iterator[str]:
    """A published port takes the users' logins alone, not that of the super user."""
    listeners = pairs(kafka["environment"]["KAFKA_LISTENERS"], "://")
    for published in kafka["ports"]:
        inside = published.rpartition(":")[2]
        (name,) = [each for each, address in listeners.items() if address.rpartition(":")[2] == inside]
        mechanisms = kafka["environment"].get(f"KAFKA_LISTENER_NAME_{name}_SASL_ENABLED_MECHANISMS")
        if mechanisms != "SCRAM-SHA-512":
            yield f"the published listener {name} takes {mechanisms}"


def name_faults(services: Mapping[str, Any]) -> Iterator[str]:
    """The certificate has each name at which the broker tells clients to connect."""
    certified = services["certificates"]["command"]
    for address in pairs(services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"], "://").values():
        host = address.partition(":")[0]
        if host not in certified:
            yield f"the certificate lacks the name {host}"


def login_faults(name: str, service: Mapping[str, Any]) -> Iterator[str]:
    environment = service["environment"]
    if environment.get("KAFKA_SECURITY_PROTOCOL") != SECURED:
        yield f"{name} does not connect by {SECURED}"
    if environment.get("KAFKA_SASL_MECHANISM") != "SCRAM-SHA-512":
        yield f"{name} does not log in by SCRAM"
    if environment.get("KAFKA_SASL_USERNAME") != name:
        yield f"{name} does not log in as itself"
    if environment.get("KAFKA_SASL_PASSWORD_FILE") != "/run/passwords/kafka":
        yield f"{name} has no password of its own"
    if f"{name}-passwords:/run/passwords:ro" not in service.get("volumes", []):
        yield f"{name} does not mount its passwords"
    folder = str(Path(environment.get("KAFKA_SSL_CAFILE", "/-/-")).parent)
    if f"kafka-ca:{folder}:ro" not in service.get("volumes", []):
        yield f"{name} does not mount the CA's certificate"


def password_faults(services: Mapping[str, Any]) -> Iterator[str]:
    """No service has a password in its environment. The job that creates the users knows all of them."""
    known = {"kafka": {rights.STACK.upper()}, "passwords": {name.upper() for name in SERVICES}}
    known["floor"] = {rights.ORACLE.upper()}  # it reads all topics and writes none
    known["topics"] = {name.upper() for name in (rights.STACK, *rights.principals(contract()))}
    for name, service in services.items():
        found = set(PASSWORD.findall(yaml.safe_dump(service)))
        for other in sorted(found - known.get(name, set())):
            yield f"{name} knows the password of {other.lower()}"
    created = set(PASSWORD.findall(yaml.safe_dump(services["topics"])))
    for missing in sorted(known["topics"] - created):
        yield f"topics lacks the password of {missing.lower()}"
    for name in (*SERVICES, "postgres"):
        found = {
            variable for variable in services[name]["environment"] if DATABASE_PASSWORD.fullmatch(variable)
        }
        if found or "${" in services[name]["environment"].get("DATABASE_URL", ""):
            yield f"{name} has a database password in its environment"


def volume_faults(services: Mapping[str, Any]) -> Iterator[str]:
    allowed = {CA_KEY: {"certificates"}, BROKER_KEY: {"certificates", "kafka"}}
    allowed |= {f"{name}-passwords": {name, "passwords"} for name in (*SERVICES, "postgres")}
    for name, service in services.items():
        for mounted in service.get("volumes", []):
            volume, _, place = mounted.partition(":")
            if name not in allowed.get(volume, {name}):
                yield f"{name} mounts {volume}"
            if volume.endswith("-passwords") and name != "passwords" and not place.endswith(":ro"):
                yield f"{name} can change {volume}"
            if volume.startswith("kafka-c") and name != "certificates" and not place.endswith(":ro"):
                yield f"{name} can change {volume}"


def test_the_broker_and_its_clients_keep_the_rules() -> None:
    assert faults(composed()) == []


def test_no_container_connects_in_plain_text() -> None:
    settings = yaml.safe_dump([service.get("environment") for service in composed()["services"].values()])
    assert "PLAINTEXT" not in settings


def test_practice_passwords_differ() -> None:
    practice = (ROOT / "deploy/compose/practice.env").read_text()
    passwords = re.findall(r"^\w+_PASSWORD=(.+)$", practice, re.MULTILINE)
    assert len(passwords) > 2 * len(SERVICES)
    assert len(set(passwords)) == len(passwords)


def broker(document: Compose, **changes: str) -> None:
    document["services"]["kafka"]["environment"] |= changes


def mount(document: Compose, name: str, volume: str) -> None:
    document["services"][name].setdefault("volumes", []).append(volume)


def unmount(document: Compose, name: str, volume: str) -> None:
    service = document["services"][name]
    service["volumes"] = [one for one in service["volumes"] if not one.startswith(f"{volume}:")]


def environment(document: Compose, name: str) -> dict[str, str]:
    found: dict[str, str] = document["services"][name]["environment"]
    return found


PLANTED: list[tuple[Callable[[Compose], object], str]] = [
    (
        lambda d: broker(
            d, KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="INSIDE:PLAINTEXT,HOST:SASL_SSL,CONTROLLER:SASL_SSL"
        ),
        "listener INSIDE is PLAINTEXT",
    ),
    (
        lambda d: environment(d, "kafka").pop("KAFKA_LISTENER_NAME_CONTROLLER_SASL_ENABLED_MECHANISMS"),
        "listener CONTROLLER has no mechanism",
    ),
    (
        lambda d: broker(d, KAFKA_LISTENERS="INSIDE://:19092,HOST://:9092,CONTROLLER://:9093"),
        "reach the controller",
    ),
    (lambda d: environment(d, "kafka").pop("KAFKA_AUTHORIZER_CLASS_NAME"), "no authorizer"),
    (lambda d: broker(d, KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND="true"), "open to all"),
    (lambda d: broker(d, KAFKA_SUPER_USERS="User:topics;User:orders"), "another super user"),
    (
        lambda d: broker(d, KAFKA_LISTENER_NAME_HOST_SASL_ENABLED_MECHANISMS="SCRAM-SHA-512,PLAIN"),
        "the published listener HOST takes",
    ),
    (lambda d: d["services"]["certificates"]["command"].remove("127.0.0.1"), "lacks the name 127.0.0.1"),
    (lambda d: environment(d, "orders").pop("KAFKA_SECURITY_PROTOCOL"), "orders does not connect by"),
    (lambda d: environment(d, "orders").update(KAFKA_SASL_MECHANISM="PLAIN"), "orders does not log in by"),
    (lambda d: environment(d, "orders").update(KAFKA_SASL_USERNAME="payments"), "does not log in as itself"),
    (lambda d: environment(d, "orders").pop("KAFKA_SASL_PASSWORD_FILE"), "no password of its own"),
    (lambda d: unmount(d, "orders", "kafka-ca"), "orders does not mount the CA's certificate"),
    (lambda d: unmount(d, "orders", "orders-passwords"), "orders does not mount its passwords"),
    (lambda d: mount(d, "orders", "payments-passwords:/p:ro"), "orders mounts payments-passwords"),
    (lambda d: mount(d, "orders", "orders-passwords:/p"), "orders can change orders-passwords"),
    (
        lambda d: environment(d, "orders").update(DATABASE_URL="postgresql://orders:${X:-p}@postgres/orders"),
        "orders has a database password",
    ),
    (lambda d: environment(d, "postgres").update(ORDERS_PASSWORD="p"), "postgres has a database password"),
    (
        lambda d: environment(d, "orders").update(X="${PAYMENTS_KAFKA_PASSWORD:-practice}"),
        "orders knows the password of payments",
    ),
    (lambda d: environment(d, "topics").pop("ORACLE_KAFKA_PASSWORD"), "topics lacks the password of oracle"),
    (lambda d: mount(d, "processor", f"{CA_KEY}:/keys:ro"), f"processor mounts {CA_KEY}"),
    (lambda d: mount(d, "kafka", f"{CA_KEY}:/keys:ro"), f"kafka mounts {CA_KEY}"),
    (lambda d: mount(d, "processor", f"{BROKER_KEY}:/keys:ro"), f"processor mounts {BROKER_KEY}"),
    (lambda d: mount(d, "processor", "kafka-ca:/run/kafka"), "processor can change kafka-ca"),
]


@pytest.mark.parametrize(("plant", "fault"), PLANTED, ids=[fault for _, fault in PLANTED])
def test_a_planted_fault_is_seen(plant: Callable[[Compose], object], fault: str) -> None:
    document = copy.deepcopy(composed())
    plant(document)
    found = faults(document)
    assert len(found) == 1, found
    assert fault in found[0]
