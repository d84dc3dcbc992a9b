"""A node runs full of memory: whoever took more than it asked for goes, and the shop stays."""

import json
import time
from typing import Any

import pytest
import yaml

from shop_stack import paths
from testkit import eventually
from tests.kubernetes.drills import checks
from tests.kubernetes.drills.conftest import READY, Floor

HOG = paths.repository() / "docs" / "labs" / "kubernetes" / "memory-hog.yaml"
MOST_MIB = 8 * 1024
"""A node with more than this left for pods is not filled: the machine below it has other things to do."""


async def test_a_node_that_is_full_of_memory_gives_up_who_filled_it_and_keeps_the_shop(floor: Floor) -> None:
    node = (await floor.all("pods"))[0]["spec"]["nodeName"]
    if (room := await room_of(floor, node)) > MOST_MIB:
        pytest.skip(
            f"{node} has {room} MiB left for pods, too many to fill: docs/labs/kubernetes/full-node.md"
        )
    began = time.monotonic()
    before = await floor.all("pods")
    async with floor.customers() as sales:
        try:
            await floor.kubectl("apply", "--filename", "-", stdin=hog("memory-hog"))
            await eventually(lambda: is_evicted(floor, "memory-hog"), READY)
            full = time.monotonic()
            await eventually(lambda: is_pressed(floor, node), READY)
            newcomer = hog("newcomer", memory=await allocatable_of(floor, node))
            await floor.kubectl("apply", "--filename", "-", stdin=newcomer)
            await eventually(lambda: is_left_waiting(floor, "newcomer"), READY)
        finally:
            await floor.kubectl("delete", "pod", "--ignore-not-found", "memory-hog", "newcomer")
        await eventually(lambda: is_relieved(floor, node), READY)
    after = await floor.all("pods")
    await floor.judge()
    assert checks.restart_faults(before, after) == []
    assert checks.evicted(after) == set()
    assert checks.customer_faults(sales) == []
    floor.note(
        "node full of memory",
        began,
        sales,
        **{"MiB left before": room, "hog evicted after": round(full - began)},
    )


def hog(name: str, memory: str | None = None) -> str:
    """The pod of docs/labs/kubernetes/memory-hog.yaml; one that says what it needs, if `memory` is given."""
    pod = yaml.safe_load(HOG.read_text())
    pod["metadata"]["name"] = name
    if memory is not None:
        pod["spec"]["containers"][0]["resources"] = {"requests": {"memory": memory}}
    return yaml.safe_dump(pod)


async def room_of(floor: Floor, node: str) -> int:
    """MiB that pods may still use on the node, by its kubelet's own reckoning."""
    stats = await summary_of(floor, node)
    (pods,) = [one for one in stats["node"]["systemContainers"] if one["name"] == "pods"]
    room: int = pods["memory"]["availableBytes"] >> 20
    return room


async def summary_of(floor: Floor, node: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        await floor.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary")
    )
    return found


async def allocatable_of(floor: Floor, node: str) -> str:
    allocatable: str = (await floor.get("node", node))["status"]["allocatable"]["memory"]
    return allocatable


async def is_evicted(floor: Floor, name: str) -> None:
    assert checks.evicted([await floor.get("pod", name)]) == {name}


async def is_left_waiting(floor: Floor, name: str) -> None:
    assert checks.is_left_waiting(await floor.get("pod", name), "memory")


async def is_pressed(floor: Floor, node: str) -> None:
    assert checks.has_condition(await floor.get("node", node), "MemoryPressure")


async def is_relieved(floor: Floor, node: str) -> None:
    """The kubelet waits a while before it says so, and nothing is scheduled until then."""
    assert not checks.has_condition(await floor.get("node", node), "MemoryPressure")
