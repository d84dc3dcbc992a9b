"""SIGTERM to each service in turn under load: it must end in time, fail no request, and cause few redeliveries."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from shop_lab.experiments import clients, duplicates
from shop_lab.experiments.clients import Client
from shop_lab.experiments.experiment import Experiment
from shop_lab.experiments.outcome import Outcome, at_least, at_most
from shop_load.client import ShopClient
from shop_load.closed_loop import open_shop
from shop_load.plans import CATALOGUE, Plan, plan_run, run_name
from shop_observe.history import History
from shop_oracle.report import Verdict
from shop_stack import embedded, logins
from shop_stack.logins import OPERATOR
from shop_stack.stack import Stack
from shop_stack.target import Target

END_SECONDS = 10.0
BATCH = 500
"""The most messages of one transaction of a consumer: the chassis' default, with which the services run here."""
BUYERS = 6
LOOK_PAUSE = 0.05
PATIENCE = 30.0
SETTLING = 4.0
"""Seconds in which a group divides its partitions after a member has left, and redelivered events arrive."""
SIGHTS = {
    "orders": "/prices?limit=5",
    "inventory": f"/products/{CATALOGUE[0].sku}",
    "payments": "/openapi.json",
    "notifications": "/notifications?limit=5",
    "analytics": "/reports/orders-by-state",
}
"""Service → the path that clients read while the service ends."""
SIGHT = "/openapi.json"
"""The path for every other service."""

ReplicaPorts = Mapping[str, Sequence[int]]
"""Service → the ports of its two replicas."""


@dataclass(frozen=True)
class Ending:
    """The results of ending one service."""

    service: str
    seconds: float
    """Seconds from SIGTERM until the process had ended."""
    redelivered: Mapping[str, int]
    """Service → events that were delivered to it again in this time."""


async def run(experiment: Experiment, rounds: int) -> Outcome:
    """Run two replicas of every service. End the first replica of each and start it again, `rounds` times."""
    testbed = experiment.testbed
    endings: list[Ending] = []
    experiment.log("starting a second replica of every service")
    async with testbed.running_replicas(2) as more:
        replicas = {one.service: (testbed.stack.ports.service(one.service), one.port) for one in more}
        management = {
            one.service: (testbed.stack.ports.management(one.service), one.management_port) for one in more
        }
        async with visited(testbed.target, replicas) as crowd:
            for turn in range(rounds):
                for place, service in enumerate(replicas):
                    experiment.log(f"SIGTERM to {service}")
                    experiment.report_progress((turn + place / len(replicas)) / rounds)
                    endings.append(await end(testbed.stack, service, management))
        _, verdict = await experiment.judge()
    return verdict_on(endings, crowd, verdict)


@asynccontextmanager
async def visited(target: Target, replicas: ReplicaPorts) -> AsyncIterator[Sequence[Client]]:
    """Have clients read from each service and place orders until the context ends. Yields the clients."""
    readers = {service: Client(ports) for service, ports in replicas.items()}
    buyers = [Client(replicas["orders"]) for _ in range(BUYERS)]

    def login_of(who: str) -> str:
        return logins.header(target.issuer, who)["Authorization"]

    closing = asyncio.Event()

    def goes_on() -> bool:
        return not closing.is_set()

    with History(target.state / "history", run_name(0)) as history:
        async with ShopClient(target, history) as shop:
            await open_shop(shop, CATALOGUE)
        async with asyncio.TaskGroup() as group:
            for service, reader in readers.items():
                sight = SIGHTS.get(service, SIGHT)
                login = partial(login_of, OPERATOR)
                group.create_task(clients.read_repeatedly(reader, sight, login, goes_on, LOOK_PAUSE))
            for number, buyer in enumerate(buyers):
                group.create_task(clients.buy(buyer, _wishes(number), login_of, goes_on, history))
            try:
                yield [*readers.values(), *buyers]
            finally:
                closing.set()


def _wishes(seed: int) -> list[Plan]:
    """More plans than an experiment needs. None is cancelled, and none needs the scarce product."""
    plans = plan_run(run_name(seed), 20_000, seed).plans
    on_sale = {product.sku for product in CATALOGUE}
    return [plan for plan in plans if plan.cancel_after is None and {sku for sku, _ in plan.lines} <= on_sale]


async def end(stack: Stack, service: str, management: ReplicaPorts) -> Ending:
    """Send SIGTERM to a service's first process, and start a new one. Returns the results.

    `management` has the management ports, from which the redelivered events are read.
    """
    before = {name: await duplicates.read(ports) for name, ports in management.items()}
    began = time.monotonic()
    await stack.daemon(service).stop(signal.SIGTERM, PATIENCE)
    seconds = time.monotonic() - began
    await asyncio.sleep(SETTLING)
    await embedded.start(stack, service)
    await asyncio.sleep(SETTLING)
    after = {name: await duplicates.read(ports) for name, ports in management.items()}
    return Ending(
        service, seconds, {name: duplicates.between(before[name], after[name]) for name in management}
    )


def verdict_on(endings: Sequence[Ending], crowd: Sequence[Client], verdict: Verdict) -> Outcome:
    """Compare the results with their limits."""
    failures = sum((client.failures for client in crowd), Counter[str]())
    values = [
        at_least("requests that were answered", sum(client.answers for client in crowd), 1),
        at_most("accepted requests that failed", failures.total(), 0),
        at_most("SIGTERM to end, the slowest", max(ending.seconds for ending in endings), END_SECONDS, "s"),
        at_most(
            "events delivered again to one service by one end",
            max(count for ending in endings for count in ending.redelivered.values()),
            BATCH,
        ),
    ]
    detail = {
        "how requests failed": dict(failures),
        "connections refused": sum(client.refused for client in crowd),
        "seconds to end": [f"{ending.service} {ending.seconds:.1f}" for ending in endings],
        "delivered again": [{k: v for k, v in ending.redelivered.items() if v} for ending in endings],
    }
    return Outcome(values, verdict, detail)
