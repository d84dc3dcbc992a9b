"""A shop on a Kubernetes cluster, reached through kubectl alone: whatever cluster KUBECONFIG names.

HTTP goes through the API server to the Services, so that each request takes any
pod that is ready; Kafka and PostgreSQL are forwarded. It knows the names of
deploy/k8s/overlays/local and of nothing else.
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
from typing import IO
from urllib.parse import quote

from shop_stack.errors import UserError
from shop_stack.outside import mirrored_spans, output_of, program
from shop_stack.ports import HOST, SERVICES
from shop_stack.target import Target, TargetMissing

KAFKA_PORT = 19192
"""The one that the broker advertises to those outside of the cluster."""
PATIENCE = 20.0
"""Seconds that kubectl may take to open a way."""
PORT = re.compile(rf"{re.escape(HOST)}:(\d+)")


def namespace() -> str:
    """SHOP_K8S_NAMESPACE, or shopfloor."""
    return os.environ.get("SHOP_K8S_NAMESPACE", "shopfloor")


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    """What kubectl prints when it is asked about the shop's namespace. Raises UserError with its own words."""
    asked = f"kubectl {' '.join(arguments[:3])}"
    return output_of([*_kubectl(), *arguments], asked, stdin=stdin)


@contextmanager
def connect(state: Path, contracts: Path) -> Iterator[Target]:
    """The shop on the cluster, for as long as the context lasts. Ways that a lost pod closed are opened again.

    Raises TargetMissing if there is no kubectl, no cluster or no shop on it.
    """
    passwords = _passwords()
    # A shop that is made anew knows nothing of what customers of the old one were told.
    state = state / kubectl("get", "namespace", namespace(), "--output", "jsonpath={.metadata.uid}")[:8]
    with ExitStack() as tunnels:
        proxy = tunnels.enter_context(_Tunnel(["proxy", "--port=0"]))
        postgres = tunnels.enter_context(
            _Tunnel(["port-forward", f"--address={HOST}", "service/postgres", ":5432"])
        )
        kafka = tunnels.enter_context(
            _Tunnel(["port-forward", f"--address={HOST}", "statefulset/kafka", f"{KAFKA_PORT}:9094"])
        )
        spans = state / "spans"
        tunnels.enter_context(mirrored_spans(spans, partial(_copy_spans, spans)))
        services = f"http://{HOST}:{proxy.port}/api/v1/namespaces/{namespace()}/services"
        yield Target(
            name="k8s",
            service_urls={name: f"{services}/{name}-api:http/proxy" for name in SERVICES},
            processor_url=f"{services}/card-processor:http/proxy",
            kafka=f"{HOST}:{kafka.port}",
            database_urls={
                name: f"postgresql://{quote(role)}:{quote(password, safe='')}@{HOST}:{postgres.port}/{name}"
                for name, (role, password) in passwords.items()
            },
            spans=spans,
            contracts=contracts,
            state=state,
        )


def _kubectl() -> list[str]:
    """How each command begins. Raises TargetMissing if there is no kubectl."""
    return [program("kubectl"), "--namespace", namespace()]


def _passwords() -> Mapping[str, tuple[str, str]]:
    """Service → name and password of its database's owner, who may read every table."""
    try:
        secrets = json.loads(kubectl("get", "secrets", "--output", "json"))["items"]
    except UserError as error:
        raise TargetMissing(f"No cluster answers ({error}). Does KUBECONFIG name the right one?") from None
    data = {secret["metadata"]["name"]: secret.get("data", {}) for secret in secrets}
    try:
        owners = {name: data[f"{name}-database-owner"] for name in SERVICES}
    except KeyError as missing:
        raise TargetMissing(
            f"No shop runs in the namespace {namespace()} (there is no secret {missing}). "
            "Start one with `kubectl apply -k deploy/k8s/overlays/local`."
        ) from None
    return {
        name: (base64.b64decode(owner["username"]).decode(), base64.b64decode(owner["password"]).decode())
        for name, owner in owners.items()
    }


class _Tunnel:
    """One kubectl that listens on this machine; started again, on the same port, whenever it ends."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = list(arguments)
        self._closing = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def __enter__(self) -> _Tunnel:
        self._process = self._start()
        self.port = self._listening(self._process)
        local = f"{self.port}:"
        # The port was kubectl's choice; from now on it is ours.
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
        """The port, read from what kubectl says first."""
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
                f"kubectl {' '.join(self._arguments[:2])} opened no way to the shop: {first.strip() or 'silence'}"
            )
        return int(found[1])

    def _keep_open(self) -> None:
        while True:
            assert self._process is not None
            with self._process as process:  # leaving it closes the pipe and waits for the end
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
    """Read to the end, so that a full pipe never stops kubectl."""
    for _ in stream or ():
        pass


def wait_until_ready(seconds: float) -> float:
    """Wait until every Deployment and StatefulSet is as it should be; returns how long it took, in seconds."""
    began = time.monotonic()
    for kind in ("statefulsets", "deployments"):
        for name in kubectl("get", kind, "--output", "name").split():
            left = max(1, int(seconds - (time.monotonic() - began)))
            kubectl("rollout", "status", name, f"--timeout={left}s")
    return time.monotonic() - began
