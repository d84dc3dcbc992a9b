"""A shop in containers or on a cluster: its addresses, the login of the oracle over TLS, and the issuer."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Collection
from pathlib import Path

import pytest

from shop_stack import compose, kubernetes, tcp_proxy
from shop_stack.kafka_access import SCRAM, KafkaAccess
from shop_stack.passwords import ISSUER_CLIENTS
from shop_stack.ports import SERVICES
from shop_stack.shapes import Shape
from shop_stack.target import TargetMissing

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nof the shop\n-----END CERTIFICATE-----\n"
KUBECTL = """#!/bin/bash
case "$*" in
    *"get secrets"*) cat {secrets} ;;
    *"get namespace"*) printf 0123456789 ;;
    *"get deployment monolith-api"*) cat {monolith} ;;
    *port-forward*)
        for ports in "$@"; do
            there=${{ports##*:}}
            case $ports in
                :*) echo "Forwarding from 127.0.0.1:$((there + 20000)) -> $there" ;;
                *:*) echo "Forwarding from 127.0.0.1:${{ports%%:*}} -> $there" ;;
            esac
        done
        exec sleep 600 ;;
    *) exit 1 ;;
esac
"""
"""A kubectl whose cluster has a shop. Forwarded ports are announced and lead nowhere."""
CLIENTS = {f"ISSUER_{name.upper()}_SECRET": f"of-{name}" for name in ISSUER_CLIENTS}


def is_the_oracle(login: KafkaAccess, state: Path) -> None:
    assert login.username == "oracle"
    assert login.password == "of-oracle"
    assert login.security_protocol == "SASL_SSL"
    assert login.mechanism == SCRAM
    assert login.cafile is not None
    assert state in login.cafile.parents
    assert login.cafile.read_text() == CERTIFICATE


def fake_docker(*arguments: str) -> str:
    """Docker with a whole shop in containers."""
    match arguments:
        case ("compose", "ps", *_):
            return "\n".join(
                json.dumps({"Service": name, "State": "running", "Publishers": published(name)})
                for name in (*SERVICES, "processor", "issuer", "kafka", "postgres")
            )
        case ("compose", "config", *_):
            return json.dumps(configuration())
        case ("compose", "cp", "kafka:/run/kafka/ca.crt", target):
            Path(target).write_text(CERTIFICATE)
    return ""


def published(name: str) -> list[dict[str, int]]:
    of_server = {"kafka": [compose.KAFKA_PORT], "postgres": [compose.POSTGRES_PORT]}
    inside = of_server.get(name, [compose.HTTP_PORT, compose.MANAGEMENT_PORT])
    return [{"TargetPort": port, "PublishedPort": 19092} for port in inside]


def configuration() -> dict[str, object]:
    migrations = {
        f"{name}-migrations": {
            "environment": {"MIGRATION_DATABASE_URL": f"postgresql://o@postgres:5432/{name}"}
        }
        for name in SERVICES
    }
    topics = {"environment": {"ORACLE_KAFKA_PASSWORD": "of-oracle", "ORDERS_KAFKA_PASSWORD": "of-orders"}}
    others = {
        "topics": topics,
        "issuer": {"environment": CLIENTS},
        "processor": {"environment": {"PROCESSOR_API_KEY": "of-payments"}},
    }
    return {"services": {**others, **migrations}, "volumes": {"postgres": {"name": "postgres"}}}


def test_the_oracle_logs_in_to_a_shop_in_containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose, "docker", fake_docker)
    with compose.connect(tmp_path, tmp_path) as target:
        is_the_oracle(target.kafka, tmp_path)
        assert target.kafka.bootstrap == "127.0.0.1:19092"
        assert target.issuer.url == "http://127.0.0.1:19092"
        assert target.processor_key == "of-payments"
        assert target.issuer.secrets == {name: f"of-{name}" for name in ISSUER_CLIENTS}


def test_a_monolith_in_containers_has_all_addresses_at_one_container_and_no_kafka(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = [port + number for port in (8000, 9000) for number in range(1, 6)]
    ports = [{"TargetPort": port, "PublishedPort": port + 10000} for port in inside]
    running = {**{name: published(name) for name in ("processor", "issuer", "postgres")}, "monolith": ports}

    modules = ",".join(SERVICES)

    def docker(*arguments: str) -> str:
        if arguments[:2] == ("compose", "ps"):
            return "\n".join(
                json.dumps({"Service": name, "State": "running", "Publishers": each})
                for name, each in running.items()
            )
        if arguments[:2] == ("compose", "config"):
            found = json.loads(fake_docker(*arguments))
            found["services"] = {**found["services"], "monolith": {"environment": {"LOCAL_MODULES": modules}}}
            return json.dumps(found)
        return ""

    monkeypatch.setattr(compose, "docker", docker)
    with compose.connect(tmp_path, tmp_path) as target:
        assert target.shape == Shape.parse("monolith")
        assert target.service_urls["orders"] == "http://127.0.0.1:18001"
        assert target.management_urls["analytics"] == "http://127.0.0.1:19005"
        assert target.kafka.bootstrap == "none"
    modules = "orders,payments"
    with (
        pytest.raises(TargetMissing, match="has no module inventory, notifications, analytics: add it to"),
        compose.connect(tmp_path, tmp_path),
    ):
        pass
    modules = ",".join(SERVICES)
    del running["monolith"]
    with (
        pytest.raises(TargetMissing, match="not complete: monolith missing"),
        compose.connect(tmp_path, tmp_path),
    ):
        pass


def cluster(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, without: Collection[str] = (), modules: str = ""
) -> None:
    """A kubectl on the PATH, whose cluster has the Secrets of a shop. With `modules` it is a monolith of them."""
    values = {f"{name}-database-owner": {"username": name, "password": "x"} for name in SERVICES}
    values["oracle"] = {"username": "oracle", "password": "of-oracle"}
    values["shopfloor-cluster-ca-cert"] = {"ca.crt": CERTIFICATE}
    values["issuer-clients"] = CLIENTS
    values["card-processor-key"] = {"PROCESSOR_API_KEY": "of-payments"}
    secrets = [
        {
            "metadata": {"name": name},
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
        }
        for name, data in values.items()
        if name not in without
    ]
    file = folder / "secrets.json"
    file.write_text(json.dumps({"items": secrets}))
    container = {"env": [{"name": "SHOP_ROLE"}, {"name": "LOCAL_MODULES", "value": modules}]}
    deployment = {"spec": {"template": {"spec": {"containers": [container]}}}}
    monolith = folder / "monolith.json"
    monolith.write_text(json.dumps(deployment) if modules else "")
    program = folder / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_text(KUBECTL.format(secrets=file, monolith=monolith))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def test_the_oracle_logs_in_to_a_shop_on_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster(tmp_path, monkeypatch)
    with kubernetes.connect(tmp_path / "state", tmp_path) as target:
        is_the_oracle(target.kafka, tmp_path / "state")
        assert target.kafka.bootstrap == "127.0.0.1:19192"
        assert target.processor_key == "of-payments"
        assert target.issuer.secrets == {name: f"of-{name}" for name in ISSUER_CLIENTS}


def test_http_to_a_cluster_goes_through_the_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster(tmp_path, monkeypatch)
    with kubernetes.connect(tmp_path / "state", tmp_path) as target:
        urls = [*target.service_urls.values(), *target.management_urls.values()]
        others = [target.processor_url, target.issuer.url]
        assert target.database_urls["orders"].endswith("@127.0.0.1:25432/orders")
    ways = tcp_proxy.ways(SERVICES)
    names = [
        *((f"{name}-api", 8000) for name in SERVICES),
        *((f"{name}-management", 9000) for name in SERVICES),
        ("card-processor", 8000),
        ("issuer", 8000),
    ]
    assert [ways[int(url.rpartition(":")[2]) - 20_000] for url in (*urls, *others)] == names


def test_a_monolith_on_a_cluster_has_one_database_and_no_kafka(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = ["oracle", "shopfloor-cluster-ca-cert"]
    cluster(tmp_path, monkeypatch, without=without, modules=",".join(SERVICES))
    with kubernetes.connect(tmp_path / "state", tmp_path) as target:
        assert target.shape == Shape.parse("monolith")
        assert target.kafka == KafkaAccess("none")
        assert target.database_urls["orders"] == "postgresql://orders:x@127.0.0.1:25432/monolith"
        assert target.service_urls["orders"] == "http://127.0.0.1:28001"
        assert target.management_urls["analytics"] == "http://127.0.0.1:29005"


def test_a_monolith_on_a_cluster_that_lacks_a_service_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster(tmp_path, monkeypatch, modules="orders,payments")
    with (
        pytest.raises(
            TargetMissing, match="on the cluster has no module inventory, notifications, analytics: add"
        ),
        kubernetes.connect(tmp_path / "state", tmp_path),
    ):
        pass


def test_a_kubectl_that_does_not_listen_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster(tmp_path, monkeypatch)
    program = tmp_path / "bin" / "kubectl"
    program.write_text(program.read_text().replace("for ports in", "echo no such pod; exit 1; for ports in"))
    with (
        pytest.raises(TargetMissing, match="deployment/tcp-proxy does not listen: no such pod"),
        kubernetes.connect(tmp_path / "state", tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    "missing", ["oracle", "shopfloor-cluster-ca-cert", "orders-database-owner", "issuer-clients"]
)
def test_a_secret_that_a_cluster_lacks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    cluster(tmp_path, monkeypatch, without=[missing])
    with (
        pytest.raises(TargetMissing, match=missing),
        kubernetes.connect(tmp_path / "state", tmp_path),
    ):
        pass
