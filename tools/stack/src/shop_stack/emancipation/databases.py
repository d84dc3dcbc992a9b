"""Where the tables of a module are in a shape, and how a database is made, renamed and dropped for a move.

A service that is alone has a database of its own name and the schema `public`. A module of a group has a schema of its
own name in the database of its group. All databases are on one server. So numbers of transactions and snapshots mean
the same in each of them, and rows can be copied with theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg

from shop_stack import local_topics, migrations, module_databases, postgres, topics
from shop_stack.deployed import clone
from shop_stack.groups import project_of
from shop_stack.local_topics import SCHEMA, Module, quoted
from shop_stack.postgres import Server
from shop_stack.shapes import Shape
from shop_stack.stack import Stack

PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Place:
    """The database and the schema with the tables of a module."""

    database: str
    schema: str

    def table(self, name: str) -> str:
        """A table of the module, as an identifier in SQL."""
        return f"{quoted(self.schema)}.{quoted(name)}"


def place_of(shape: Shape, module: str, database: str = "") -> Place:
    """Where a module has its tables in a shape. `database` is the name that its database has now, if it is another."""
    unit = shape.unit_of(module)
    return Place(database or unit, PUBLIC if len(shape.group_of(module)) == 1 else module)


async def provide_alone(stack: Stack, module: str) -> None:
    """Create the database of a module that will be alone, with its roles' rights and empty tables. Idempotent."""
    await postgres.ensure_database(stack.server, module, stack.passwords.roles(module))
    await migrations.upgrade(stack, clone(module), module)


async def provide_schema(stack: Stack, module: str, database: str) -> None:
    """Create the schema of a module in the database of a group, with empty tables and the topics. Idempotent.

    `stack` has the shape in which the module is in the group. `database` is the name that its database has now.
    """
    roles = [stack.passwords.roles(name) for name in stack.shape.group_of(module)]
    await module_databases.ensure(stack.server, database, [stack.passwords.roles(module)])
    await migrations.upgrade(
        stack, clone(module), database, project_of(stack, stack.database_of(module)).python
    )
    modules = [Module(each.service, each.service, each.name, each.owner) for each in roles]
    async with stack.server.connected(database) as connection:
        await local_topics.provide(connection, modules, topics.entries(stack.contracts))


async def forget_schema(stack: Stack, module: str, database: str) -> None:
    """Drop the schema of a module in the database of a group, its topics, and the rights of its roles. Idempotent."""
    roles = stack.passwords.roles(module)
    both = ", ".join(quoted(role) for role in (roles.name, roles.owner))
    async with stack.server.connected(database) as connection, connection.transaction():
        await connection.execute(f"DROP SCHEMA IF EXISTS {quoted(module)} CASCADE")
        await connection.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA {quoted(SCHEMA)} FROM {both}")
        await connection.execute(f"REVOKE ALL ON SCHEMA {quoted(SCHEMA)} FROM {both}")
        await connection.execute(f"REVOKE ALL ON DATABASE {quoted(database)} FROM {both}")
        for role in (roles.name, roles.owner):
            await connection.execute(
                f"ALTER ROLE {quoted(role)} IN DATABASE {quoted(database)} RESET search_path"
            )


async def rename(server: Server, before: str, after: str) -> None:
    """Give a database another name. Its sessions end. Without effect if it has the name already."""
    async with server.connected() as connection:
        names = {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
        if before in names and after not in names:
            await _end_sessions(connection, before)
            await connection.execute(f"ALTER DATABASE {quoted(before)} RENAME TO {quoted(after)}")


async def drop(server: Server, database: str) -> None:
    """Drop a database, and end its sessions. Without effect if there is none."""
    async with server.connected() as connection:
        await connection.execute(f"DROP DATABASE IF EXISTS {quoted(database)} WITH (FORCE)")


async def name_now(server: Server, *names: str) -> str:
    """The first of these databases that exists. Raises LookupError if none does."""
    async with server.connected() as connection:
        found = {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
    for name in names:
        if name in found:
            return name
    raise LookupError(f"none of the databases {', '.join(names)} exists")


async def size_of(server: Server, place: Place) -> int:
    """The bytes of a module's tables with their indexes."""
    async with server.connected(place.database) as connection:
        return int(
            await connection.fetchval(
                "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c"
                " WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'r'",
                quoted(place.schema),
            )
        )


async def _end_sessions(connection: asyncpg.Connection[Any], database: str) -> None:
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", database
    )
