"""A service changes the rows of its own database, and that is all it can do to any database.

Whoever runs the shop says how a role logs in; here is tried what it must not be able to do then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import permutations

import asyncpg

from shop_stack.ports import SERVICES

Login = Callable[[str, str], str]
"""(service, database) → the URL with which a role of the service asks for the database."""
DATABASES = (*SERVICES, "postgres", "template1")
CHANGES = (
    "CREATE TABLE planted ()",
    "CREATE SCHEMA planted",
    "ALTER TABLE inbox ADD planted int",
    "DROP TABLE outbox",
    "TRUNCATE inbox",
)
ON_THE_SERVER = (
    "CREATE ROLE planted",
    "SELECT rolpassword FROM pg_authid",
    "COPY (SELECT 1) TO PROGRAM 'true'",
)
"""What no role of a service may do, the owner of its tables included."""
READ = "SELECT count(*) FROM {}.outbox"


async def refused(url: str, statement: str) -> bool:
    """Whether PostgreSQL refuses the connection or the statement for lack of a right; nothing is kept."""
    try:
        connection = await asyncpg.connect(url, timeout=60)
    except asyncpg.InsufficientPrivilegeError:
        return True
    try:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(statement)
        except asyncpg.InsufficientPrivilegeError:
            return True
        finally:
            await transaction.rollback()
    finally:
        await connection.close()
    return False


async def breaches(runtime: Login, owner: Login) -> list[str]:
    """What services' roles can do and should not."""
    found = []
    for service in SERVICES:
        own = runtime(service, service)
        by_service = (*CHANGES, *ON_THE_SERVER, f"SET ROLE {service}_owner")
        found += [f"{service} can {change}" for change in by_service if not await refused(own, change)]
        owners = owner(service, service)
        found += [f"{service}_owner can {each}" for each in ON_THE_SERVER if not await refused(owners, each)]
        for database in set(DATABASES) - {service}:
            if not await refused(runtime(service, database), "SELECT 1"):
                found.append(f"{service} can connect to {database}")
            if not await refused(owner(service, database), "SELECT 1"):
                found.append(f"{service}_owner can connect to {database}")
    return found


async def closed_to_its_own_service(runtime: Login) -> list[str]:
    """Services that cannot change rows of their own."""
    return [name for name in SERVICES if await refused(runtime(name, name), "DELETE FROM inbox")]


async def open_schemas(urls: Mapping[str, str]) -> list[str]:
    """Modules of one database that can read the outbox of another. `urls`: module → the URL of one of its roles."""
    found = [
        f"{name} cannot read its outbox" for name in urls if await refused(urls[name], READ.format(name))
    ]
    return found + [
        f"{name} can read the outbox of {other}"
        for name, other in permutations(urls, 2)
        if not await refused(urls[name], READ.format(other))
    ]


PLANTED = (
    ("orders", "GRANT CREATE ON SCHEMA public TO orders", "REVOKE CREATE ON SCHEMA public FROM orders"),
    (
        "postgres",
        "GRANT CONNECT ON DATABASE payments TO orders, analytics_owner",
        "REVOKE CONNECT ON DATABASE payments FROM orders, analytics_owner",
    ),
)
"""Rights too many: the database to say it in, how they are given, how they are taken back."""
PLANTED_BREACHES = [
    "analytics_owner can connect to payments",
    "orders can CREATE TABLE planted ()",
    "orders can connect to payments",
]
