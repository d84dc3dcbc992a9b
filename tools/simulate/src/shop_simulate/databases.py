"""The databases of a simulation: made once, and reset before each schedule."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from chassis.postgres import Driver, connect
from shop_simulate.choices import SERVICES
from shop_simulate.clock import ADOPTING
from shop_stack import paths
from shop_stack.errors import UserError
from shop_stack.passwords import new_password
from shop_stack.postgres import Roles, Server, ensure_database, ensure_roles
from shop_stack.process import run

TRUNCATE_EVERY = 100
"""A reset deletes rows, because that is faster for small tables. Each of so many resets truncates the tables instead,
which also removes the deleted rows."""

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1"


@dataclass(frozen=True, slots=True)
class Place:
    """A migrated database of a service. `url` is the one of the service's role."""

    service: str
    name: str
    url: str


@dataclass(slots=True)
class SimulatedDatabase:
    """The database of one service. `admin` is a connection of the superuser."""

    service: str
    url: str
    admin: Driver
    _tables: list[str] = field(default_factory=list)
    _filled: list[str] = field(default_factory=list)
    _resets: int = 0

    async def remember(self) -> None:
        """Copy the rows of all tables. Each reset restores these rows."""
        self._tables = [row[0] for row in await self.admin.fetch(_TABLES)]
        await self.admin.execute("DROP SCHEMA IF EXISTS initial CASCADE; CREATE SCHEMA initial")
        for table in self._tables:
            await self.admin.execute(f'CREATE TABLE initial."{table}" AS TABLE public."{table}"')
        self._filled = [
            table
            for table in self._tables
            if await self.admin.fetchval(f'SELECT EXISTS (SELECT FROM initial."{table}")')
        ]

    async def reset(self) -> None:
        """Restore the rows that `remember` has copied."""
        self._resets += 1
        if self._resets % TRUNCATE_EVERY:
            emptied = [f'DELETE FROM public."{table}"' for table in self._tables]
        else:
            names = ", ".join(f'public."{table}"' for table in self._tables)
            emptied = [f"TRUNCATE {names}"]
        filled = [
            f'INSERT INTO public."{table}" OVERRIDING SYSTEM VALUE TABLE initial."{table}"'
            for table in self._filled
        ]
        # Triggers keep totals, which are tables of their own and restored like all others.
        await self.admin.execute("; ".join(["SET session_replication_role = replica", *emptied, *filled]))


async def adopt(server: Server, place: Place) -> SimulatedDatabase:
    """Make a migrated database follow the simulated clock."""
    async with server.connected(place.name) as connection:
        await connection.execute(ADOPTING)
    admin = await connect(server.url(place.name, server.superuser, server.password))
    return SimulatedDatabase(place.service, place.url, admin)


async def make_places(server: Server) -> list[Place]:
    """Create and migrate a database for each service. Raises UserError."""
    return list(await asyncio.gather(*(_make(server, service) for service in SERVICES)))


async def copy_places(server: Server, places: Sequence[Place], suffix: str) -> list[Place]:
    """Copy databases that no program is connected to. The names of the copies end with `suffix`."""
    copies = [
        Place(
            place.service,
            f"{place.name}_{suffix}",
            place.url.replace(f"/{place.name}", f"/{place.name}_{suffix}"),
        )
        for place in places
    ]
    async with server.connected() as connection:
        for place, copy in zip(places, copies, strict=True):
            await connection.execute(f'CREATE DATABASE "{copy.name}" TEMPLATE "{place.name}"')
    return copies


async def _make(server: Server, service: str) -> Place:
    roles = Roles(service, new_password(), new_password())
    name = f"simulated_{service}"
    await ensure_roles(server, roles)
    await ensure_database(server, name, roles)
    await _migrate(service, server.url(name, roles.owner, roles.owner_password))
    return Place(service, name, server.url(name, roles.name, roles.password))


async def _migrate(service: str, owner_url: str) -> None:
    code, output = await run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=paths.project(service),
        env={**os.environ, "MIGRATION_DATABASE_URL": owner_url},
    )
    if code != 0:
        raise UserError(f"The migrations of {service} fail in the simulation:\n{output}")
