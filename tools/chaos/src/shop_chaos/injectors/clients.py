"""Faults that come from outside: clients that send half a request, too many orders, replicas that come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shop_chaos import holding
from shop_chaos.injectors.injector import Injector
from shop_chaos.system import System
from shop_lab import trial
from shop_lab.experiments.churn import Churn
from shop_lab.testbed import PRODUCTS
from shop_load.client import ShopClient
from shop_load.closed_loop import open_shop
from shop_observe.history import History

REPLICAS = 2
CONNECTIONS = 256
"""Connections of the customers. With 100 of them orders refused none: it accepts so many requests at the same time."""


@dataclass
class SlowClients(Injector):
    """Keep 50 connections that send half a request open to each port of a service."""

    service: str

    async def inject(self, on: System) -> None:
        ports = on.stack.ports.service(self.service), on.stack.ports.management(self.service)
        await holding.begin(on.stack.state, "slow-clients", *map(str, ports))

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        return {"connections ended by the service": holding.counted(on.stack.state, "slow-clients") - 1}

    async def heal(self, on: System) -> None:
        await holding.end(on.stack.state, "slow-clients")


@dataclass
class Overload(Injector):
    """Send `orders` orders at `rate` per second. A customer whose order is refused leaves."""

    orders: int = 6_000
    rate: float = 1_500

    async def inject(self, on: System) -> None:
        with History(on.target.state / "history", "overload-products") as history:
            async with ShopClient(on.target, history) as shop:
                await open_shop(shop, PRODUCTS)
        sent = await trial.send(
            on.testbed, self.orders, self.rate, "--impatient", f"--connections={CONNECTIONS}"
        )
        holding.write_count(on.stack.state, "overload", sent.shed)

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        return {"orders refused": holding.counted(on.stack.state, "overload")}

    async def heal(self, on: System) -> None:
        """Nothing is left to undo: the customers have left."""


@dataclass
class Rebalances(Injector):
    """Start and end two more replicas of a service, `joins` times in all. Three ends in ten are `kill -9`."""

    service: str
    joins: int = 8

    async def inject(self, on: System) -> None:
        more = on.parts.replicas(self.service, REPLICAS)
        churn = Churn(crash_share=0.3)
        try:
            await asyncio.gather(
                *(churn.come_and_go(one, lambda: churn.counts["joined"] < self.joins) for one in more)
            )
        finally:
            await on.parts.end_replicas(self.service, REPLICAS)
        holding.write_count(on.state, "rebalances", churn.counts["joined"])

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        return {"replicas joined": holding.counted(on.state, "rebalances")}

    async def heal(self, on: System) -> None:
        await on.parts.end_replicas(self.service, REPLICAS)
