"""One simulated shop for all tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
import structlog

from shop_simulate.choices import SERVICES
from shop_simulate.databases import Place
from shop_simulate.run import Simulation
from shop_simulate.workers import simulation_on
from shop_stack import paths
from shop_stack.postgres import Server
from testkit.databases import clone


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def simulation(postgres_server: Server) -> AsyncIterator[Simulation]:
    """A simulation in databases of its own."""
    before = structlog.get_config()
    async with postgres_server.connected() as connection:
        made = [await clone(postgres_server, connection, name, paths.project(name)) for name in SERVICES]
        places = [Place(name, fresh.name, fresh.url) for name, fresh in zip(SERVICES, made, strict=True)]
        async with simulation_on(postgres_server, places) as opened:
            yield opened
        for place in places:
            await connection.execute(f'DROP DATABASE "{place.name}" WITH (FORCE)')
    structlog.configure(**before)
