"""A fresh stack for measurements. It has its own folder and ports, and is removed afterwards."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import ClassVar

import asyncpg

from shop_lab import cpu, replicas
from shop_lab.cpu import Clock
from shop_lab.replicas import SETTLING, Replica
from shop_load.client import ShopClient
from shop_load.closed_loop import open_shop
from shop_load.open_loop import SKUS
from shop_load.plans import Product
from shop_observe.history import History
from shop_stack import deployed, embedded, paths, shapes
from shop_stack.deployed import Deployed, Deployment
from shop_stack.kafka_access import KafkaAccess
from shop_stack.local_topics import quoted
from shop_stack.parts import create_users
from shop_stack.ports import base_from_environment
from shop_stack.rights import LAB
from shop_stack.shapes import Shape
from shop_stack.stack import POSTGRES, Stack
from shop_stack.target import Target

PORTS_ABOVE = 200
"""The distance between the benchmark's ports and those of the shop, so that a running shop is not disturbed."""
PRODUCTS = tuple(Product(sku, sku.capitalize(), 100 + number, 10**9) for number, sku in enumerate(SKUS))
TRACED: Mapping[str, str] = {"OTEL_TRACES_SAMPLER": "parentbased_always_on"}
"""The services' settings in the default variant: every order is traced."""


@dataclass
class Testbed:
    """A running stack, and the present settings of its services."""

    __test__: ClassVar[bool] = False  # Its name begins like that of a test; pytest must not collect it.

    stack: Stack
    target: Target
    replicas: list[Replica] = field(default_factory=list)
    """The processes that run in addition to the stack's own."""

    @property
    def kafka(self) -> KafkaAccess:
        """The login of the lab, which may write any record to any topic."""
        return self.stack.logins.of(LAB)

    @property
    def orders_ports(self) -> list[int]:
        """The HTTP ports of orders and of its replicas."""
        more = [replica.port for replica in self.replicas if replica.service == "orders"]
        return [self.stack.ports.service("orders"), *more]

    def clock(self) -> Clock:
        """The CPU time of every part until now."""
        return cpu.read(self.stack, [(replica.service, replica.daemon) for replica in self.replicas])

    async def configure(self, settings: Mapping[str, str]) -> None:
        """Restart the services with these settings, unless they have them already."""
        if dict(self.stack.environment) == dict(settings):
            return
        await asyncio.gather(*(embedded.stop(self.stack, name) for name in self.stack.services))
        self.stack = replace(self.stack, environment=dict(settings))
        await self._start_services()

    @asynccontextmanager
    async def without_services(self) -> AsyncIterator[None]:
        """Stop the services while the context lasts, so that idle services do not use the servers."""
        await asyncio.gather(*(embedded.stop(self.stack, name) for name in self.stack.services))
        try:
            yield
        finally:
            await self._start_services()

    @asynccontextmanager
    async def running_replicas(self, count: int) -> AsyncIterator[list[Replica]]:
        """Run `count` processes of each service while the context lasts. Their CPU time is added to their service's."""
        more = replicas.beside(self.stack, count - 1)
        self.replicas.extend(more)
        try:
            await asyncio.gather(*(replica.start() for replica in more))
            await asyncio.sleep(SETTLING)
            yield more
        finally:
            await asyncio.gather(*(replica.stop() for replica in more))
            self.replicas.clear()
            await asyncio.sleep(SETTLING if more else 0)

    async def _start_services(self) -> None:
        await asyncio.gather(*(embedded.start(self.stack, name) for name in self.stack.services))

    @asynccontextmanager
    async def database(self, name: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """A connection as the superuser. A service's tables are found by their names, also if it shares a database."""
        database = self.stack.database_of(name)
        async with self.stack.server.connected(database) as connection:
            await connection.execute(
                "SET log_min_duration_statement = -1"
            )  # only the shop's statements are counted
            if database != name:
                await connection.execute(f"SET search_path = {quoted(name)}")
            yield connection


LONG_TOKENS = {"ISSUER_TOKEN_SECONDS": "43200"}
"""A setting of the issuer: the load generator gets its tokens once, and a run takes up to some hours."""


def stack_beside(
    name: str,
    ports_above: int,
    environment: Mapping[str, str] = TRACED,
    brokers: int = 1,
    shape: Shape | None = None,
) -> Stack:
    """A stack in the folder `name` of the shop, with ports of its own, so that a running shop is not disturbed."""
    return embedded.stack(
        paths.state_folder() / name,
        base_from_environment() + ports_above,
        environment={**LONG_TOKENS, **environment},
        brokers=brokers,
        shape=shape,
    )


@asynccontextmanager
async def fresh_testbed(
    report: embedded.Report,
    name: str = "bench",
    ports_above: int = PORTS_ABOVE,
    environment: Mapping[str, str] = TRACED,
    releases: Iterable[Deployed] = (),
    brokers: int = 1,
) -> AsyncIterator[Testbed]:
    """A fresh stack in the folder `name`, with its products listed. It is removed at the end of the context.

    It starts with these releases. A service that has none among them runs the clone.
    """
    async with fresh(stack_beside(name, ports_above, environment, brokers), report, releases) as testbed:
        yield testbed


@asynccontextmanager
async def fresh(
    stack: Stack, report: embedded.Report, releases: Iterable[Deployed] = ()
) -> AsyncIterator[Testbed]:
    """Start a stack of any shape without its former data, and list its products. It is removed at the end."""
    await embedded.down(stack, wipe=True)
    for release in releases:
        deployed.write(stack.state, Deployment(release))
    try:
        await _remember_commit_times(stack, report)
        target = await embedded.up(stack, report)
        if stack.shape.has_kafka:
            await create_users(stack, [LAB])
        await _list_products(target)
        yield Testbed(stack, target)
    finally:
        await embedded.down(stack, wipe=True, report=report)
        shutil.rmtree(stack.state, ignore_errors=True)


async def _remember_commit_times(stack: Stack, report: embedded.Report) -> None:
    """Have PostgreSQL record commit times: an order is confirmed when its transaction commits."""
    report(POSTGRES, "starting")
    paths.make_private(stack.state)
    shapes.store(stack.state, stack.shape)  # as soon as there is a server, there is data of this shape
    await embedded.start(stack, POSTGRES)
    async with stack.server.connected() as connection:
        await connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    await embedded.restart(stack, POSTGRES)


async def _list_products(target: Target) -> None:
    with History(target.state / "history", "products") as history:
        async with ShopClient(target, history) as shop:
            await open_shop(shop, PRODUCTS)
