"""Who reaches whom, judged without a network: each pod, each pod, each port, against the edges of the saga.

The evaluator has the semantics of NetworkPolicy: a pod that no policy of a
direction selects is open in that direction; otherwise some rule must let the
traffic through, at both ends.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kubernetes.rendered import (
    FIVE_SERVICES,
    OVERLAYS,
    ROLES,
    ROOT,
    Object,
    Place,
    find,
    labels_of,
    of_kind,
    rendered,
    selects,
    workloads,
)

HOME = {"kubernetes.io/metadata.name": "shopfloor"}
PORTS = (53, 443, 4318, 5432, 6443, 8000, 9000, 9090, 9092, 9093, 9094)
PORTS_OF_MODULES = (8001, 8005, 8006, 9001, 9005, 9006)
"""The first and the last port of the modules of a monolith, and the one after it."""
OUTSIDE = {
    "dns": Place("dns", {"k8s-app": "kube-dns"}, {"kubernetes.io/metadata.name": "kube-system"}),
    "keda": Place("keda", {}, {"kubernetes.io/metadata.name": "keda"}),
    "operators": Place("operators", {}, {"shopfloor.example/operators": "true"}),
    "gateway": Place("gateway", {}, {"shopfloor.example/gateway": "true"}),
    "prometheus": Place("prometheus", {}, {"shopfloor.example/monitoring": "true"}),
    "traces": Place("traces", {}, {"kubernetes.io/metadata.name": "observability"}),
    "stranger": Place("stranger", {"app.kubernetes.io/name": "orders"}, {}),
}
STRIMZI_PODS = {"strimzi.io/cluster": "shopfloor", "strimzi.io/name": "shopfloor-kafka"}
"""Labels that Strimzi gives to a broker's pod."""
Edge = tuple[str, str, int]


def services() -> list[str]:
    topics = yaml.safe_load((ROOT / "contracts" / "topics.yaml").read_text())["topics"]
    return sorted({name for topic in topics for name in (topic["owner"], *topic["readers"])})


def places(objects: Sequence[Object]) -> dict[str, Place]:
    """Everybody by name: the overlay's pods, those that operators will make of it, and others."""
    found = {
        one["metadata"]["name"]: Place(one["metadata"]["name"], labels_of(one), HOME)
        for one in workloads(objects)
    }
    for pool in of_kind(objects, "KafkaNodePool"):
        labels = {**STRIMZI_PODS, **pool["spec"]["template"]["pod"]["metadata"]["labels"]}
        found["kafka"] = Place("kafka", labels, HOME)
    for cluster in of_kind(objects, "Cluster"):
        name = cluster["metadata"]["name"]
        labels = {"cnpg.io/cluster": name, **cluster["spec"]["inheritedMetadata"]["labels"]}
        found[name] = Place(name, labels, HOME)
    return found | OUTSIDE


def reach(objects: Sequence[Object], source: Place, target: Place, port: int) -> bool:
    """Whether the policies let `source` open a connection."""
    policies = [*of_kind(objects, "NetworkPolicy"), *of_strimzi(objects)]
    return _passes(policies, "Egress", source, target, port) and _passes(
        policies, "Ingress", target, source, port
    )


def of_strimzi(objects: Sequence[Object]) -> list[Object]:
    """The policy that Strimzi makes for the brokers: it opens each listener to its peers, or to all without any."""
    own: list[Object] = [
        {
            "from": [{"podSelector": {"matchLabels": STRIMZI_PODS}}],
            "ports": [{"protocol": "TCP", "port": port}],
        }
        for port in (9090, 9091)
    ]
    return [
        policy(
            {
                "podSelector": {"matchLabels": STRIMZI_PODS},
                "policyTypes": ["Ingress"],
                "ingress": [*own, *(listener_rule(one) for one in kafka["spec"]["kafka"]["listeners"])],
            }
        )
        for kafka in of_kind(objects, "Kafka")
    ]


def listener_rule(listener: Mapping[str, Any]) -> Object:
    peers = listener.get("networkPolicyPeers")
    rule: Object = {"ports": [{"protocol": "TCP", "port": listener["port"]}]}
    return rule if peers is None else rule | {"from": peers}


def _passes(policies: Sequence[Object], direction: str, own: Place, other: Place, port: int) -> bool:
    if own.namespace != HOME:
        return True  # Others' policies are others' business.
    specs = [policy["spec"] for policy in policies]
    about = [s for s in specs if direction in s["policyTypes"] and selects(s["podSelector"], own.labels)]
    peers = {"Egress": "to", "Ingress": "from"}[direction]
    rules = [rule for spec in about for rule in spec.get(direction.lower(), [])]
    return not about or any(_lets(rule, peers, other, port) for rule in rules)


def _lets(rule: Mapping[str, Any], peers: str, other: Place, port: int) -> bool:
    ports = rule.get("ports")
    if ports is not None and not any(one["port"] <= port <= one.get("endPort", one["port"]) for one in ports):
        return False
    return peers not in rule or any(_is_peer(peer, other) for peer in rule[peers])


def _is_peer(peer: Mapping[str, Any], other: Place) -> bool:
    if "ipBlock" in peer:
        return False  # An address of the world outside: asked by `world_is_open`.
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], other.namespace):
            return False
    elif other.namespace != HOME:
        return False
    return selects(peer.get("podSelector", {}), other.labels)


def questions(objects: Sequence[Object]) -> list[tuple[Place, Place, int]]:
    """Every (source, target, port) of which one end is ours."""
    found = places(objects).values()
    ports = (*PORTS, *PORTS_OF_MODULES) if "monolith-api" in places(objects) else PORTS
    return [
        (source, target, port)
        for source, target, port in product(found, found, ports)
        if source is not target and HOME in (source.namespace, target.namespace)
    ]


def matrix(objects: Sequence[Object]) -> set[Edge]:
    """Those that the policies let through."""
    return {
        (source.name, target.name, port)
        for source, target, port in questions(objects)
        if reach(objects, source, target, port)
    }


def saga(objects: Sequence[Object]) -> set[Edge]:
    """The edges that there have to be, and no others."""
    there = places(objects)
    kinds = {one["kind"] for one in objects}
    pods = [name for name, place in there.items() if place.namespace == HOME]
    processes = [f"{service}-{role}" for service in services() for role in ROLES]
    talkers = [f"{service}-worker" for service in services()]
    edges: set[Edge] = {(pod, "dns", 53) for pod in pods}
    edges |= {(name, "kafka", 9092) for name in [*talkers, *({"declare-topics"} & there.keys())]}
    edges |= {("keda", "kafka", 9092)}
    for service, role in product(services(), ROLES):
        data = f"{service}-db" if "Cluster" in kinds else "postgres"
        edges.add((f"{service}-{role}", data, 5432))
    if "card-processor" in there:
        edges.add(("payments-worker", "card-processor", 8000))
    if "issuer" in there:
        edges |= {(process, "issuer", 8000) for process in processes}
    if "tcp-proxy" in there:
        edges |= {("tcp-proxy", name, 8000) for name in ("issuer", "card-processor")}
        edges |= {("tcp-proxy", f"{service}-api", 8000) for service in services()}
        edges |= {("tcp-proxy", process, 9000) for process in processes}
    if "floor" in there:
        edges |= {("floor", "kafka", 9092), ("floor", "issuer", 8000)}
        edges |= {("floor", f"{service}-api", 8000) for service in services()}
        edges |= {("floor", process, 9000) for process in processes}
    for collector in {"spans", "otel-collector"} & there.keys():
        edges |= {(process, collector, 4318) for process in processes}
    if "otel-collector" in there:
        edges.add(("otel-collector", "traces", 4318))
    if "Gateway" in kinds:
        edges.add(("gateway", "orders-api", 8000))
    if "PodMonitor" in kinds:
        edges |= {("prometheus", process, 9000) for process in processes}
    return edges | operators_own(pods, kinds)


def operators_own(pods: Iterable[str], kinds: set[str]) -> set[Edge]:
    """What operators' pods do among themselves; the API server is beyond 443 and 6443 of anybody."""
    edges: set[Edge] = set()
    if "Kafka" in kinds:
        edges |= {("operators", "kafka", port) for port in PORTS}
    if "Cluster" in kinds:
        databases = [pod for pod in pods if pod.endswith("-db")]
        edges |= {("operators", name, port) for name, port in product(databases, (5432, 8000))}
        edges |= {(a, b, port) for a, b, port in product(databases, databases, (5432, 8000)) if a != b}
    if {"Kafka", "Cluster"} & kinds:
        asking = [pod for pod in pods if pod.endswith("-db") or pod == "kafka"]
        edges |= {(pod, name, port) for pod, name, port in product(asking, OUTSIDE, (443, 6443))}
    return edges


@pytest.mark.parametrize("overlay", FIVE_SERVICES)
def test_the_edges_of_the_saga_are_open_and_no_others(overlay: str) -> None:
    objects = rendered(overlay)
    assert matrix(objects) == saga(objects)


def test_only_the_card_processor_and_the_issuer_are_out_in_the_world_in_prod() -> None:
    """Payments reaches the world for the one, every process of a service for the other, and nothing inside."""
    blocks = {
        policy["metadata"]["name"]: peer["ipBlock"]
        for policy in of_kind(rendered("prod"), "NetworkPolicy")
        for rule in policy["spec"].get("egress", [])
        for peer in rule.get("to", [])
        if "ipBlock" in peer
    }
    assert set(blocks) == {"payments-to-card-processor", "services-to-issuer"}
    for block in blocks.values():
        assert world_is_open(block, "203.0.113.7")
        assert not any(
            world_is_open(block, inside) for inside in ("10.0.0.1", "172.20.0.1", "169.254.169.254")
        )


def world_is_open(block: Mapping[str, Any], address: str) -> bool:
    return ip_address(address) in ip_network(block["cidr"]) and not any(
        ip_address(address) in ip_network(closed) for closed in block.get("except", [])
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_another_program_finds_the_same_edges(overlay: str, tmp_path: Path) -> None:
    """Cyclonus, which knows nothing of what is written here about NetworkPolicy, is asked for the whole matrix."""
    if shutil.which("cyclonus") is None:
        pytest.skip("there is no cyclonus on the PATH (a program in Go, tried in its version 0.5.6)")
    objects = rendered(overlay)
    asked = questions(objects)
    policies, traffic = tmp_path / "policies.json", tmp_path / "traffic.json"
    policies.write_text(json.dumps({"items": [*of_kind(objects, "NetworkPolicy"), *of_strimzi(objects)]}))
    traffic.write_text(json.dumps([traffic_of(*one) for one in asked]))
    command = ["cyclonus", "analyze", "--mode=query-traffic"]
    command += [f"--policy-path={policies}", f"--traffic-path={traffic}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    answers = re.findall(r"IS ALLOWED\?\s*\|\s*(TRUE|FALSE)", said)
    found = zip(asked, answers, strict=True)
    assert {(a.name, b.name, port) for (a, b, port), answer in found if answer == "TRUE"} == matrix(objects)


def traffic_of(source: Place, target: Place, port: int) -> Object:
    """As cyclonus is asked; the addresses are inside, where no policy lets a range of addresses through."""

    def peer(place: Place) -> Object:
        namespace = place.namespace.get("kubernetes.io/metadata.name", f"of-{place.name}")
        labels = {"PodLabels": place.labels, "NamespaceLabels": place.namespace, "Namespace": namespace}
        return {"Internal": labels, "IP": "10.1.2.3"}

    return {
        "Source": peer(source),
        "Destination": peer(target),
        "Protocol": "TCP",
        "ResolvedPort": port,
    }


def policy(spec: Mapping[str, Any]) -> Object:
    metadata = {"name": "planted", "namespace": "shopfloor"}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": dict(spec),
    }


def test_a_policy_too_many_is_caught() -> None:
    objects = rendered("prod")
    everything = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}
    objects.append(policy(everything))
    opened = matrix(objects) - saga(objects)
    assert ("orders-worker", "payments-db", 5432) in opened
    assert ("stranger", "payments-api", 8000) in opened


def test_a_gateway_that_may_reach_the_management_port_is_caught() -> None:
    objects = rendered("prod")
    rule = find(objects, "NetworkPolicy", "gateway-to-orders")["spec"]["ingress"][0]
    rule["ports"].append({"protocol": "TCP", "port": 9000})
    assert matrix(objects) - saga(objects) == {("gateway", "orders-api", 9000)}


@pytest.mark.parametrize("name", ["default-deny", "data-of-payments", "workers-to-broker", "floor-to-broker"])
def test_a_policy_too_few_is_caught(name: str) -> None:
    objects = [one for one in rendered("floor") if one["metadata"]["name"] != name]
    assert matrix(objects) != saga(objects)


def test_a_floor_that_may_reach_a_database_is_caught() -> None:
    objects = rendered("floor")
    opened = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "floor"}}}
    data = {"podSelector": {"matchLabels": {"shopfloor.example/data-of-orders": "true"}}}
    ports = [{"protocol": "TCP", "port": 5432}]
    objects.append(policy({**opened, "policyTypes": ["Egress"], "egress": [{"to": [data], "ports": ports}]}))
    objects.append(
        policy({**data, "policyTypes": ["Ingress"], "ingress": [{"from": [opened], "ports": ports}]})
    )
    assert matrix(objects) - saga(objects) == {("floor", "postgres", 5432)}


def test_a_listener_that_strimzi_would_open_to_everybody_is_caught() -> None:
    objects = rendered("prod")
    (kafka,) = of_kind(objects, "Kafka")
    del kafka["spec"]["kafka"]["listeners"][0]["networkPolicyPeers"]
    assert ("stranger", "kafka", 9092) in matrix(objects) - saga(objects)


def test_a_label_that_makes_a_stranger_an_own_pod_does_not_help_from_another_namespace() -> None:
    objects = rendered("local")
    found = places(objects)
    assert not reach(objects, found["stranger"], found["postgres"], 5432)
