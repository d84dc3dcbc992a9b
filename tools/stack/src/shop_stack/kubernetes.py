"""A shop on the Kubernetes cluster that KUBECONFIG names. It is reached with kubectl alone.

Ports of PostgreSQL and Kafka are forwarded, and those of the pod `tcp-proxy`, which passes HTTP on to the
Services. The module knows only the names of deploy/k8s/overlays/local, and those of overlays/monolith, which has all
services in one pod and no Kafka.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from shop_stack import tcp_proxy
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.outside import NO_KAFKA, mirrored_spans, monolith_with, output_of, program
from shop_stack.passwords import ISSUER_CLIENTS
from shop_stack.port_forward import PortForward
from shop_stack.ports import HOST, SERVICES
from shop_stack.rights import ORACLE
from shop_stack.shapes import MONOLITH, Shape
from shop_stack.target import Issuer, Target, TargetMissing

KAFKA_PORT = 19192
"""The port that the broker advertises to clients outside of the cluster."""
WAYS = tcp_proxy.ways(SERVICES)
ADD_MODULE = (
    "add it to deploy/k8s/components/monolith, and to the Dockerfile and the settings in deploy/compose/monolith, or "
    "use another overlay."
)
CA_SECRET = "shopfloor-cluster-ca-cert"
"""The Secret with the certificate of the CA that signs the broker's. Strimzi gives it this name."""
Secrets: TypeAlias = Mapping[str, Mapping[str, str]]
"""Name of a Secret → key → value."""


def namespace() -> str:
    """SHOP_K8S_NAMESPACE, or shopfloor."""
    return os.environ.get("SHOP_K8S_NAMESPACE", "shopfloor")


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    """Run kubectl in the shop's namespace and return its output. Raises UserError with kubectl's own message."""
    asked = f"kubectl {' '.join(arguments[:3])}"
    return output_of([*_kubectl(), *arguments], asked, stdin=stdin)


@contextmanager
def connect(state: Path, contracts: Path) -> Iterator[Target]:
    """The shop on the cluster, for as long as the context lasts. If a pod is lost, its port forwarding is restarted.

    Raises TargetMissing if there is no kubectl, no cluster or no shop on it.
    """
    secrets = _secrets()
    owners = _owners(secrets)
    clients = _client_secrets(secrets)
    processor_key = _secret(secrets, "card-processor-key")["PROCESSOR_API_KEY"]
    # The history of an older shop must not be compared with the data of a new one.
    state = state / kubectl("get", "namespace", namespace(), "--output", "jsonpath={.metadata.uid}")[:8]
    shape = _shape()
    kafka = _oracle_login(secrets, state) if shape.has_kafka else NO_KAFKA
    with ExitStack() as forwards:
        http = forwards.enter_context(PortForward(_kubectl(), "deployment/tcp-proxy", dict.fromkeys(WAYS, 0)))
        postgres = forwards.enter_context(PortForward(_kubectl(), "service/postgres", {5432: 0}))
        if shape.has_kafka:
            forwards.enter_context(PortForward(_kubectl(), "statefulset/kafka", {9094: KAFKA_PORT}))
        urls = {address: f"http://{HOST}:{http.ports[port]}" for port, address in WAYS.items()}
        database = f"{HOST}:{postgres.ports[5432]}"
        spans = state / "spans"
        forwards.enter_context(mirrored_spans(spans, partial(_copy_spans, spans)))
        yield Target(
            name="k8s",
            service_urls={name: urls[f"{name}-api", 8000] for name in SERVICES},
            management_urls={name: urls[f"{name}-management", 9000] for name in SERVICES},
            processor_url=urls["card-processor", 8000],
            kafka=kafka,
            database_urls={
                name: f"postgresql://{quote(role)}:{quote(password, safe='')}@{database}/{shape.unit_of(name)}"
                for name, (role, password) in owners.items()
            },
            spans=spans,
            contracts=contracts,
            state=state,
            issuer=Issuer(urls["issuer", 8000], clients),
            processor_key=processor_key,
            shape=shape,
        )


def _shape() -> Shape:
    """The shape of the shop on the cluster. Raises TargetMissing if a monolith lacks a service."""
    found = kubectl("get", "deployment", f"{MONOLITH}-api", "--ignore-not-found", "--output", "json")
    if not found:
        return Shape()
    (container,) = json.loads(found)["spec"]["template"]["spec"]["containers"]
    modules = next(str(one["value"]) for one in container["env"] if one["name"] == "LOCAL_MODULES")
    return monolith_with(modules, "on the cluster", ADD_MODULE)


def _kubectl() -> list[str]:
    """The beginning of each command. Raises TargetMissing if there is no kubectl."""
    return [program("kubectl"), "--namespace", namespace()]


def _secrets() -> Secrets:
    """The Secrets of the namespace. Raises TargetMissing if no cluster answers."""
    try:
        found = json.loads(kubectl("get", "secrets", "--output", "json"))["items"]
    except UserError as error:
        raise TargetMissing(f"No cluster answers ({error}). Does KUBECONFIG name the right one?") from None
    return {
        secret["metadata"]["name"]: {
            key: base64.b64decode(value).decode(errors="replace")
            for key, value in secret.get("data", {}).items()
        }
        for secret in found
    }


def _owners(secrets: Secrets) -> Mapping[str, tuple[str, str]]:
    """Service → name and password of the owner of its database. The owner may read every table."""
    owners = {name: _secret(secrets, f"{name}-database-owner") for name in SERVICES}
    return {name: (owner["username"], owner["password"]) for name, owner in owners.items()}


def _oracle_login(secrets: Secrets, state: Path) -> KafkaAccess:
    """The oracle's login at the forwarded port. The CA's certificate is written into `state`."""
    password = _secret(secrets, ORACLE)["password"]
    state.mkdir(parents=True, exist_ok=True)
    cafile = state / "kafka-ca.crt"
    cafile.write_text(_secret(secrets, CA_SECRET)["ca.crt"])
    return KafkaAccess(f"{HOST}:{KAFKA_PORT}", ORACLE, password, cafile=cafile)


def kafka_login(reader: KafkaAccess, principal: str) -> KafkaAccess:
    """The login of another principal at the broker that `reader` reaches. Raises TargetMissing if it has no Secret."""
    return replace(reader, username=principal, password=_secret(_secrets(), principal)["password"])


def _client_secrets(secrets: Secrets) -> dict[str, str]:
    """Client of the issuer → its secret."""
    found = _secret(secrets, "issuer-clients")
    return {name: found[f"ISSUER_{name.upper()}_SECRET"] for name in ISSUER_CLIENTS}


def _secret(secrets: Secrets, name: str) -> Mapping[str, str]:
    """A Secret by name. Raises TargetMissing if it is missing."""
    if name not in secrets:
        raise TargetMissing(
            f"No shop runs in the namespace {namespace()} (there is no secret '{name}'). "
            "deploy/k8s/README.md says how to start one."
        )
    return secrets[name]


def _copy_spans(folder: Path) -> None:
    read = [*_kubectl(), "exec", "statefulset/spans", "--", "tar", "--create", "--directory", "/spans", "."]
    with subprocess.Popen(read, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as sent:
        unpack = ["tar", "--extract", "--no-same-owner", "--directory", str(folder)]
        subprocess.run(unpack, stdin=sent.stdout, stderr=subprocess.DEVNULL, check=False)


def wait_until_ready(seconds: float) -> float:
    """Wait until every Deployment and StatefulSet is rolled out. Returns the seconds that it took."""
    began = time.monotonic()
    for kind in ("statefulsets", "deployments"):
        for name in kubectl("get", kind, "--output", "name").split():
            left = max(1, int(seconds - (time.monotonic() - began)))
            kubectl("rollout", "status", name, f"--timeout={left}s")
    return time.monotonic() - began
