"""The shop on the cluster of KUBECONFIG, with customers at its door and the oracle behind it."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import asyncpg
import pytest

from shop_load.client import ShopClient
from shop_load.closed_loop import Customers, open_shop, place_all
from shop_load.plans import Scenario, plan_run, run_name
from shop_observe.history import History, read_histories
from shop_oracle.gather import gather
from shop_oracle.report import judge
from shop_stack import kubernetes, paths
from shop_stack.errors import UserError
from shop_stack.shapes import Shape
from shop_stack.target import Target
from testkit import eventually
from tests.kubernetes.drills.checks import Sales, replica_faults, verdict_faults

READY = 600.0
"""Seconds for pods to become ready: a deadline for a machine that is busy, and no expectation."""
REST = 300.0
BATCH = 6
OURS = "app.kubernetes.io/component in (api, worker)"
RATE = 3.0
"""Orders per second: a drill is about what gets lost, and not about how many can be taken."""


@dataclass
class Floor:
    """A shop on a cluster, as drills use it."""

    target: Target
    figures: dict[str, Any]
    _seeds: count[int] = field(default_factory=lambda: count(1))

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return await asyncio.to_thread(kubernetes.kubectl, *arguments, stdin=stdin)

    async def get(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.kubectl("get", *arguments, "--output", "json"))
        return found

    async def ready(self) -> None:
        """Every Deployment and StatefulSet is as it should be."""
        await asyncio.to_thread(kubernetes.wait_until_ready, READY)

    async def all(self, kind: str, selector: str = OURS) -> list[dict[str, Any]]:
        """The objects of a kind, those of the services if nothing else is said; without those that are going."""
        found: list[dict[str, Any]] = (await self.get(kind, "--selector", selector))["items"]
        return [one for one in found if "deletionTimestamp" not in one["metadata"]]

    async def pods_of(self, service: str, role: str) -> list[dict[str, Any]]:
        return await self.all("pods", f"app.kubernetes.io/name={service},app.kubernetes.io/component={role}")

    async def password_of(self, role: str) -> str:
        """The password of a database role, as its Secret has it."""
        secret = await self.get("secret", f"{role}-database")
        return base64.b64decode(secret["data"]["password"]).decode()

    async def scale(self, deployment: str, replicas: int) -> None:
        """Have this many replicas, and wait until they are there and ready."""
        await self.kubectl("scale", f"deployment/{deployment}", f"--replicas={replicas}")
        await eventually(lambda: self.has_replicas(deployment, replicas), READY)

    async def drain(self, node: str) -> bool:
        """Drain a node of the services' pods; True if a disruption budget held the last of them."""
        try:
            await self.kubectl(
                "drain", node, "--pod-selector", OURS, "--delete-emptydir-data", "--timeout=40s"
            )
        except UserError as error:
            if "disruption budget" not in str(error) and "timeout" not in str(error):
                raise
            return True
        return False

    async def has_replicas(self, deployment: str, wanted: int) -> None:
        assert replica_faults(await self.get("deployment", deployment), wanted) == []

    @asynccontextmanager
    async def customers(
        self, rate: float = RATE, at_least: int = 12, only: Scenario | None = None
    ) -> AsyncIterator[Sales]:
        """Customers keep coming until the block ends, and are all served before this ends."""
        seed = next(self._seeds)
        run = plan_run(run_name(seed), 5_000, seed, only)
        sales = Sales(run.name)
        ended, opened = asyncio.Event(), asyncio.Event()
        how = Customers(concurrency=4, rate=rate, patience=READY)

        async def sell() -> None:
            with History(self.target.state / "history", run.name) as history:
                async with ShopClient(self.target, history, how.concurrency, how.patience) as shop:
                    await open_shop(shop, run.products)
                    opened.set()
                    for first in range(0, len(run.plans), BATCH):
                        sales.placed += await place_all(shop, run.plans[first : first + BATCH], how)
                        if ended.is_set() and len(sales.placed) >= at_least:
                            return

        selling = asyncio.create_task(sell())
        waiting = asyncio.create_task(opened.wait())
        await asyncio.wait([selling, waiting], return_when=asyncio.FIRST_COMPLETED)
        try:
            if not selling.done():
                yield sales
        finally:
            waiting.cancel()
            ended.set()
            await selling
        histories = read_histories(self.target.state / "history")
        sales.requests = [request for request in histories if request.run == run.name]

    async def judge(self, *, traces: bool = False) -> None:
        """The oracle's verdict, which must be that everything holds.

        A pod that is killed takes unsent spans with it, so drills do not ask for whole traces.
        """
        target = self.target if traces else replace(self.target, spans=self.target.state / "no-spans")
        verdict = judge(await gather(target, REST, lambda _: None))
        faults = verdict_faults(verdict, traces=traces)
        assert not faults, "\n".join(faults)

    def note(self, drill: str, began: float, sales: Sales, **more: Any) -> None:
        """Figures for docs/labs/kubernetes/README.md."""
        self.figures[drill] = {
            "seconds": round(time.monotonic() - began),
            "orders": len(sales.placed),
            "requests": len(sales.requests),
            "failed requests": len(sales.failed),
            **more,
        }


async def is_refused(target: Target, role: str, password: str) -> bool:
    """Whether PostgreSQL lets nobody in as this role with this password."""
    address = target.database_urls[role].rpartition("@")[2]
    try:
        connection = await asyncpg.connect(f"postgresql://{role}:{password}@{address}")
    except asyncpg.InvalidPasswordError:
        return True
    await connection.close()
    return False


@pytest.fixture(scope="session")
def figures() -> Iterator[dict[str, Any]]:
    found: dict[str, Any] = {}
    yield found
    file = paths.state_folder() / "k8s" / "figures.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(known | found, indent=1))


@asynccontextmanager
async def shop_as(shape: Shape, figures: dict[str, Any]) -> AsyncIterator[Floor]:
    """The shop on the cluster when every pod is ready. If it has another shape, the test is skipped."""
    await asyncio.to_thread(kubernetes.wait_until_ready, READY)
    with kubernetes.connect(paths.state_folder() / "k8s", paths.contracts()) as target:
        if target.shape != shape:
            pytest.skip(f"this drill is for {shape}, and the shop on the cluster is {target.shape}")
        yield Floor(target, figures)


@pytest.fixture
async def floor(figures: dict[str, Any]) -> AsyncIterator[Floor]:
    """A shop of five services whose every pod is ready."""
    async with shop_as(Shape(), figures) as floor:
        yield floor


@pytest.fixture
async def monolith(figures: dict[str, Any]) -> AsyncIterator[Floor]:
    """The shop of deploy/k8s/overlays/monolith whose every pod is ready."""
    async with shop_as(Shape.parse("monolith"), figures) as floor:
        yield floor
