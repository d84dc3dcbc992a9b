"""A shop on the Kubernetes cluster that KUBECONFIG names. It is reached with kubectl alone.

Ports of the Services are forwarded. HTTP does not go through the API server, which would take the token out of each
request. So the requests to a service go to one of its pods, until this pod ends. The module knows only the names of
deploy/k8s/overlays/local.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TypeAlias
from urllib.parse import quote

from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.outside import mirrored_spans, output_of, program
from shop_stack.passwords import ISSUER_CLIENTS
from shop_stack.ports import HOST, SERVICES
from shop_stack.rights import ORACLE
from shop_stack.target import Issuer, Target, TargetMissing

KAFKA_PORT = 19192
"""The port that the broker advertises to clients outside of the cluster."""
PATIENCE = 20.0
"""The longest time, in seconds, until kubectl listens."""
CA_SECRET = "shopfloor-cluster-ca-cert"
"""The Secret with the certificate of the CA that signs the broker's. Strimzi gives it this name."""
Secrets: TypeAlias = Mapping[str, Mapping[str, str]]
"""Name of a Secret → key → value."""
PORT = re.compile(rf"{re.escape(HOST)}:(\d+)")


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
    kafka = _oracle_login(secrets, state)
    with ExitStack() as tunnels:
        proxy = tunnels.enter_context(_Tunnel(["proxy", "--port=0"]))
        postgres = tunnels.enter_context(
            _Tunnel(["port-forward", f"--address={HOST}", "service/postgres", ":5432"])
        )
        tunnels.enter_context(
            _Tunnel(["port-forward", f"--address={HOST}", "statefulset/kafka", f"{KAFKA_PORT}:9094"])
        )
        spans = state / "spans"
        tunnels.enter_context(mirrored_spans(spans, partial(_copy_spans, spans)))
        services = f"http://{HOST}:{proxy.port}/api/v1/namespaces/{namespace()}/services"

        def forwarded(service: str, port: int) -> str:
            """The address of a service at this machine. The API server would take the token out of a request."""
            arguments = ["port-forward", f"--address={HOST}", f"service/{service}", f":{port}"]
            return f"http://{HOST}:{tunnels.enter_context(_Tunnel(arguments)).port}"

        yield Target(
            name="k8s",
            service_urls={name: forwarded(f"{name}-api", 8000) for name in SERVICES},
            management_urls={name: forwarded(f"{name}-management", 9000) for name in SERVICES},
            processor_url=f"{services}/card-processor:http/proxy",
            kafka=kafka,
            database_urls={
                name: f"postgresql://{quote(role)}:{quote(password, safe='')}@{HOST}:{postgres.port}/{name}"
                for name, (role, password) in owners.items()
            },
            spans=spans,
            contracts=contracts,
            state=state,
            issuer=Issuer(forwarded("issuer", 8000), clients),
            processor_key=processor_key,
        )


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


class _Tunnel:
    """A kubectl process that listens on this machine. If it ends, it is started again on the same port."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = list(arguments)
        self._closing = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def __enter__(self) -> _Tunnel:
        self._process = self._start()
        self.port = self._listening(self._process)
        local = f"{self.port}:"
        # kubectl has chosen the port. A restarted kubectl must use the same one.
        self._arguments = [
            re.sub(r"^:", local, argument).replace("--port=0", f"--port={self.port}")
            for argument in self._arguments
        ]
        self._keeper = threading.Thread(target=self._keep_open, daemon=True)
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        if self._process is not None:
            self._process.terminate()
        self._keeper.join()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*_kubectl(), *self._arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _listening(self, process: subprocess.Popen[str]) -> int:
        """The port, parsed from the first line of kubectl."""
        given_up = threading.Timer(PATIENCE, process.kill)
        given_up.start()
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
        finally:
            given_up.cancel()
        found = PORT.search(first)
        if found is None:
            with process:
                process.terminate()
            raise TargetMissing(
                f"kubectl {' '.join(self._arguments[:2])} does not listen: {first.strip() or 'it printed nothing'}"
            )
        return int(found[1])

    def _keep_open(self) -> None:
        while True:
            assert self._process is not None
            # At its exit the context closes the pipe and waits for the process.
            with self._process as process:
                _drain(process.stdout)
            if self._closing.wait(0.5):
                return
            self._process = self._start()
            if self._closing.is_set():
                self._process.terminate()


def _copy_spans(folder: Path) -> None:
    read = [*_kubectl(), "exec", "statefulset/spans", "--", "tar", "--create", "--directory", "/spans", "."]
    with subprocess.Popen(read, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as sent:
        unpack = ["tar", "--extract", "--no-same-owner", "--directory", str(folder)]
        subprocess.run(unpack, stdin=sent.stdout, stderr=subprocess.DEVNULL, check=False)


def _drain(stream: IO[str] | None) -> None:
    """Read to the end: a full pipe would block kubectl."""
    for _ in stream or ():
        pass


def wait_until_ready(seconds: float) -> float:
    """Wait until every Deployment and StatefulSet is rolled out. Returns the seconds that it took."""
    began = time.monotonic()
    for kind in ("statefulsets", "deployments"):
        for name in kubectl("get", kind, "--output", "name").split():
            left = max(1, int(seconds - (time.monotonic() - began)))
            kubectl("rollout", "status", name, f"--timeout={left}s")
    return time.monotonic() - began
