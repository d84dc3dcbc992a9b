"""The shop on the cluster of KUBECONFIG, with customers at its door and the oracle behind it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest

from shop.load import Customers, Placed, Scenario, Shop, open_shop, place_all, plan_run, run_name
from shop.oracle.gather import gather
from shop.oracle.history import History, Request, read_histories
from shop.oracle.report import Verdict, judge
from shop.stack import kubernetes, places
from shop.target import Target

READY = 600.0
"""Seconds for pods to become ready: a deadline for a machine that is busy, and no expectation."""
REST = 300.0
BATCH = 6
RATE = 3.0
"""Orders per second: a drill is about what gets lost, and not about how many can be taken."""


@dataclass
class Sales:
    """What customers did during a drill."""

    run: str
    placed: list[Placed] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    @property
    def failed(self) -> list[Request]:
        """Requests without an answer, or with the shop's own trouble for an answer. 429 is a refusal in order."""
        return [one for one in self.requests if one.status is None or one.status >= 500]


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

    async def pods(self, selector: str = "app.kubernetes.io/component in (api, worker)") -> list[str]:
        found = await self.get("pods", "--selector", selector)
        return [pod["metadata"]["name"] for pod in found["items"]]

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
                async with Shop(self.target, history, how) as shop:
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

    async def judge(self, *, traces: bool = False) -> Verdict:
        """The oracle's verdict, which must be that everything holds.

        A pod that is killed takes unsent spans with it, so drills do not ask for whole traces.
        """
        target = self.target if traces else replace(self.target, spans=self.target.state / "no-spans")
        verdict = judge(await gather(target, REST, lambda _: None))
        assert verdict.holds, json.dumps(verdict.as_json(), indent=1)
        return verdict

    def note(self, drill: str, began: float, sales: Sales, **more: Any) -> None:
        """Figures for docs/labs/kubernetes/README.md."""
        self.figures[drill] = {
            "seconds": round(time.monotonic() - began),
            "orders": len(sales.placed),
            "requests": len(sales.requests),
            "failed requests": len(sales.failed),
            **more,
        }


@pytest.fixture(scope="session")
def figures() -> Iterator[dict[str, Any]]:
    found: dict[str, Any] = {}
    yield found
    file = places.state_folder() / "k8s" / "figures.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(known | found, indent=1))


@pytest.fixture
async def floor(figures: dict[str, Any]) -> AsyncIterator[Floor]:
    """A shop whose every pod is ready."""
    await asyncio.to_thread(kubernetes.wait_until_ready, READY)
    with kubernetes.reached(places.state_folder() / "k8s", places.contracts()) as target:
        yield Floor(target, figures)
