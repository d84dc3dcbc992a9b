"""Faults of a shop in containers or on a cluster are commands of docker and kubectl. Programs on the PATH obey them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shop_chaos import activities, catalogue, needs, open_faults, rollback, run_record, system
from shop_chaos.parts import cluster, compose, outside
from shop_chaos.system import System
from shop_stack.compose import docker as docker_of_shop
from shop_stack.connect import TargetKind
from shop_stack.errors import UserError

STAND_IN = """#!{python}
import json, sys
from pathlib import Path

folder, words = Path({folder!r}), sys.argv[1:]
state = json.loads((folder / "state.json").read_text())
with (folder / "commands").open("a") as stream:
    stream.write(" ".join(words) + "\\n")
{obey}
(folder / "state.json").write_text(json.dumps(state))
"""
DOCKER = """
named = {one["ID"]: one for one in state}
if words[:2] == ["compose", "ps"]:
    print("\\n".join(map(json.dumps, state)))
elif words[:2] == ["compose", "run"]:
    name = words[words.index("--name") + 1]
    state.append(dict(ID=name, Name=name, Service=words[-1], State="running", Health="healthy", Started=1))
elif words[:2] == ["compose", "config"]:
    print(json.dumps({"services": {"topics": {"environment": {"ORDERS_KAFKA_PASSWORD": "of-orders"}}}}))
elif words[0] == "inspect" and "Health" in words[2]:
    print(named[words[3]]["Health"])
elif words[0] == "inspect":
    print("\\n".join(f"{id} {named[id]['Started']}" for id in words[3:]))
elif words[0] == "rm":
    state[:] = [one for one in state if one["ID"] != words[-1]]
else:
    after = {"kill": "exited", "stop": "exited", "start": "running", "pause": "paused", "unpause": "running"}
    for id in words[1:]:
        named[id]["State"] = after[words[0]]
        named[id]["Started"] += words[0] == "start"
"""
KUBECTL = """
words = words[2:]  # without --namespace
label = next((word.removeprefix("app.kubernetes.io/name=") for word in words if word.startswith("app.")), "")
kind, _, name = words[1].partition("/")
def grown(workload):
    while len(workload["pods"]) < workload["replicas"]:
        state["made"] += 1
        workload["pods"].append(state["made"])
    del workload["pods"][workload["replicas"]:]
if words[0] == "get" and words[1] == "pods":
    print(json.dumps({"items": [
        {"metadata": {"uid": str(pod), "name": f"{one}-{pod}", "creationTimestamp": f"{pod:04}"},
         "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
                    "containerStatuses": [{"restartCount": 0}]}}
        for one, workload in state["workloads"].items() if workload["label"] == label for pod in workload["pods"]
    ]}))
elif words[0] == "get" and words[1] == "secrets":
    print(json.dumps({"items": [{"metadata": {"name": "orders"}, "data": {"password": "b2Ytb3JkZXJz"}}]}))
elif words[0] == "get":
    print(json.dumps({"items": [
        {"kind": "Deployment", "metadata": {"name": one, "annotations": workload["notes"]},
         "spec": {"replicas": workload["replicas"]}}
        for one, workload in state["workloads"].items() if workload["label"] == label
    ]}))
elif words[0] == "delete":
    for one, workload in state["workloads"].items():
        kept = [] if workload["label"] == label else [
            pod for pod in workload["pods"] if f"{one}-{pod}" not in words]
        workload["pods"] = kept
        grown(workload)
elif words[0] == "annotate":
    key, _, value = words[2].partition("=")
    notes = state["workloads"][name]["notes"]
    notes.update({key: value}) if value else notes.pop(key.removesuffix("-"))
elif words[0] == "scale":
    workload = state["workloads"][name]
    workload["replicas"] = int(words[2].removeprefix("--replicas="))
    grown(workload)
elif words[0] == "exec":
    print("process_start_time_seconds 5.0")
    print('chassis_events_consumed_total{outcome="duplicate"} 3.0')
else:
    sys.exit("the stand-in does not know: " + " ".join(words))
"""
CONTAINERS = (
    "orders",
    "payments",
    "inventory",
    "notifications",
    "analytics",
    "postgres",
    "kafka",
    "processor",
)

StandIn = Callable[[], list[str]]
"""Returns the commands that were given to the program."""


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, obey: str, state: Any) -> StandIn:
    """A program on the PATH that keeps its state in a file."""
    (folder / "state.json").write_text(json.dumps(state))
    program = folder / "bin" / name
    program.parent.mkdir()
    program.write_text(STAND_IN.format(python=sys.executable, folder=str(folder), obey=obey))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SHOP_STATE", str(folder))
    monkeypatch.setattr(outside, "LOOK_SECONDS", 0.01)
    return lambda: (folder / "commands").read_text().splitlines()


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """A docker that has a shop in containers."""
    state = [
        {
            "ID": f"{name}-1",
            "Name": name,
            "Service": name,
            "State": "running",
            "Health": "healthy",
            "Started": 1,
        }
        for name in CONTAINERS
    ]
    monkeypatch.setenv("SHOP_TARGET", "compose")
    return stand_in(tmp_path, monkeypatch, "docker", DOCKER, state)


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """A kubectl whose cluster has the two Deployments of orders, PostgreSQL and the card processor."""
    workloads = {
        name: {"label": label, "replicas": len(pods), "pods": pods, "notes": {}}
        for name, label, pods in (
            ("orders-api", "orders", [1, 2]),
            ("orders-worker", "orders", [3]),
            ("postgres", "postgres", [4]),
            ("card-processor", "card-processor", [5]),
        )
    }
    monkeypatch.setenv("SHOP_TARGET", "k8s")
    return stand_in(tmp_path, monkeypatch, "kubectl", KUBECTL, {"made": 5, "workloads": workloads})


@pytest.fixture
def shop(request: pytest.FixtureRequest) -> Iterator[System]:
    """A shop of the kind that the test's stand-in has."""
    kind = TargetKind.COMPOSE if "docker" in request.fixturenames else TargetKind.K8S
    on = system.without_addresses(kind)
    system.use(on)
    run_record.start()
    yield on
    system.use(None)


def struck(fault: str, part: str) -> dict[str, int]:
    """Inject a fault of the catalogue and undo it. Returns what was seen."""
    activities.inject(fault, part=part)
    return activities.heal()[fault]


def acts(commands: list[str]) -> list[str]:
    """The commands that change something."""
    asking = ("compose ps", "inspect", "--namespace shopfloor get")
    return [each.removeprefix("--namespace shopfloor ") for each in commands if not each.startswith(asking)]


@pytest.mark.parametrize("part", ["orders", "postgres", "kafka", "processor"])
@pytest.mark.parametrize("fault", ["kill", "stop"])
def test_a_container_is_ended_and_started_again(docker: StandIn, shop: System, fault: str, part: str) -> None:
    assert struck(fault, part) == {"processes ended": 1}
    assert acts(docker()) == [f"{fault} {part}-1", f"start {part}-1"]
    assert asyncio.run(shop.parts.is_ready(part))


def test_a_container_that_goes_on_is_not_counted_as_ended(
    docker: StandIn, shop: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "_each", lambda *_: None)
    assert struck("kill", "orders") == {"processes ended": 0}


def test_a_container_is_frozen_by_a_pause(docker: StandIn, shop: System) -> None:
    assert struck("freeze", "kafka")["processes frozen"] == 1
    assert acts(docker()) == ["pause kafka-1", "unpause kafka-1"]


def test_a_container_that_flaps_is_counted_each_time(docker: StandIn, shop: System, tmp_path: Path) -> None:
    activities.inject("flap", part="processor", times=3, pause=0)
    assert activities.heal() == {"flap": {"processes ended": 3}}
    assert Counter(each.split()[0] for each in acts(docker())) == {"kill": 3, "start": 3}


def test_replicas_are_containers_without_ports_and_none_is_left(docker: StandIn, shop: System) -> None:
    activities.inject("rebalance-storm", service="inventory", joins=4)
    assert activities.heal()["rebalance-storm"]["replicas joined"] >= 4
    told = docker()
    assert "compose run --detach --no-deps --name shopfloor-chaos-inventory-0 inventory" in told
    assert [one["Name"] for one in map(json.loads, docker_of_shop("compose", "ps").splitlines())] == list(
        CONTAINERS
    )


def test_an_owner_logs_in_with_the_password_of_the_file(docker: StandIn, shop: System) -> None:
    login = shop.parts.login("orders")
    assert (login.username, login.password) == ("orders", "of-orders")


def test_a_part_without_a_container_is_named_with_those_that_there_are(docker: StandIn, shop: System) -> None:
    with pytest.raises(UserError, match=r"no container of 'billing': it is one of analytics, inventory"):
        activities.inject("kill", part="billing")


def test_what_a_killed_runner_has_left_in_containers_is_undone_while_postgres_is_away(
    docker: StandIn, shop: System
) -> None:
    activities.inject("stop", part="postgres")
    system.use(None)
    assert list(rollback.roll_back()) == ["stop (part postgres) was undone."]
    assert acts(docker()) == ["stop postgres-1", "start postgres-1"]
    assert open_faults.read_all() == {}


def test_all_pods_of_a_part_are_killed_at_once(kubectl: StandIn, shop: System) -> None:
    assert struck("kill", "orders") == {"processes ended": 3}
    (command,) = acts(kubectl())
    assert command == (
        "delete pods --selector app.kubernetes.io/name=orders --grace-period=0 --force --wait=false"
    )


def test_a_part_of_a_cluster_is_stopped_by_no_replicas_and_gets_its_number_back(
    kubectl: StandIn, shop: System
) -> None:
    assert struck("stop", "orders") == {"processes ended": 3}
    note = "shopfloor.example/replicas-before"
    assert acts(kubectl()) == [
        *(f"annotate deployment/orders-api {note}=2", "scale deployment/orders-api --replicas=0"),
        *(f"annotate deployment/orders-worker {note}=1", "scale deployment/orders-worker --replicas=0"),
        *("scale deployment/orders-api --replicas=2", f"annotate deployment/orders-api {note}-"),
        *("scale deployment/orders-worker --replicas=1", f"annotate deployment/orders-worker {note}-"),
    ]


def test_the_card_processor_has_another_name_on_a_cluster(kubectl: StandIn, shop: System) -> None:
    assert struck("kill", "processor") == {"processes ended": 1}


def test_replicas_of_a_cluster_come_and_go_and_the_number_is_as_before(
    kubectl: StandIn, shop: System
) -> None:
    activities.inject("rebalance-storm", service="orders", joins=4)
    activities.heal()
    worker = json.loads((Path(os.environ["SHOP_STATE"]) / "state.json").read_text())["workloads"][
        "orders-worker"
    ]
    assert (worker["replicas"], worker["notes"]) == (1, {})
    assert "scale deployment/orders-worker --replicas=2" in acts(kubectl())


def test_duplicates_are_counted_in_each_pod(kubectl: StandIn, shop: System) -> None:
    texts = asyncio.run(shop.parts.metrics("orders"))
    assert sorted(texts) == ["orders-api-1", "orders-api-2", "orders-worker-3"]


def test_an_owner_logs_in_with_the_password_of_its_secret(kubectl: StandIn, shop: System) -> None:
    login = shop.parts.login("orders")
    assert (login.username, login.password) == ("orders", "of-orders")


def test_a_part_that_a_cluster_does_not_have_is_named(kubectl: StandIn, shop: System) -> None:
    with pytest.raises(UserError, match=r"no workload with the label app\.kubernetes\.io/name=kafka"):
        activities.inject("kill", part="kafka")


def test_a_part_that_does_not_become_ready_is_told(
    kubectl: StandIn, shop: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "is_ready", lambda _: False)
    monkeypatch.setattr(outside.eventually, "__defaults__", (0.0,))
    with pytest.raises(UserError, match="pods of orders are not ready after 0 s"):
        asyncio.run(shop.parts.start("orders"))


@pytest.mark.parametrize(
    ("target", "experiment", "reason"),
    [
        ("compose", "kill-services", ""),
        ("compose", "freeze-services", ""),
        ("compose", "kill-campaign", ""),
        ("compose", "edges-of-http", "edge has no injection for compose"),
        ("compose", "replicas", "it measures processes of the embedded stack, and compose has none"),
        ("compose", "brokers-lost", "it needs a shop with settings of its own, and compose has none"),
        ("k8s", "stop-campaign", ""),
        ("k8s", "duplicates-and-replay", ""),
        ("k8s", "freeze-services", "freeze-service has no injection for k8s"),
        ("k8s", "planted/reordered", "reordered has no injection for k8s"),
    ],
)
def test_what_a_target_lacks_is_named(
    monkeypatch: pytest.MonkeyPatch, target: str, experiment: str, reason: str
) -> None:
    monkeypatch.setenv("SHOP_TARGET", target)
    assert needs.missing(catalogue.experiment(experiment)) == reason


def test_an_injector_that_needs_processes_refuses_another_shop(docker: StandIn, shop: System) -> None:
    with pytest.raises(UserError, match="This needs a shop of processes, and not compose"):
        _ = shop.stack
