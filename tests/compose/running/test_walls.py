"""A service changes the rows of its own database, and that is all it can do to any database."""

import asyncpg

from shop.stack.ports import SERVICES

from .conftest import Containers

DATABASES = (*SERVICES, "postgres", "template1")


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


async def breaches(containers: Containers) -> list[str]:
    """What services' roles can do and should not."""
    found = []
    for service in SERVICES:
        url = containers.runtime_url(service)
        found += [
            f"{service} can {statement}"
            for statement in (
                "CREATE TABLE planted ()",
                "ALTER TABLE inbox ADD planted int",
                "DROP TABLE outbox",
            )
            if not await refused(url, statement)
        ]
        owner = containers.target.database_urls[service].rpartition("/")[0]
        for database in set(DATABASES) - {service}:
            if not await refused(containers.runtime_url(service, database), "SELECT 1"):
                found.append(f"{service} can connect to {database}")
            if not await refused(f"{owner}/{database}", "SELECT 1"):
                found.append(f"{service}_owner can connect to {database}")
    return found


async def as_superuser(containers: Containers, database: str, statement: str) -> None:
    connection = await asyncpg.connect(containers.superuser_url(database), timeout=60)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_a_service_changes_no_table_and_reaches_no_other_database(containers: Containers) -> None:
    assert await breaches(containers) == []


async def test_the_rows_of_its_own_database_are_its_own(containers: Containers) -> None:
    for service in SERVICES:
        assert not await refused(containers.runtime_url(service), "DELETE FROM inbox")


async def test_a_right_too_many_is_seen(containers: Containers) -> None:
    await as_superuser(containers, "orders", "GRANT CREATE ON SCHEMA public TO orders")
    await as_superuser(
        containers, "postgres", "GRANT CONNECT ON DATABASE payments TO orders, analytics_owner"
    )
    try:
        assert sorted(await breaches(containers)) == [
            "analytics_owner can connect to payments",
            "orders can CREATE TABLE planted ()",
            "orders can connect to payments",
        ]
    finally:
        await as_superuser(containers, "orders", "REVOKE CREATE ON SCHEMA public FROM orders")
        await as_superuser(
            containers, "postgres", "REVOKE CONNECT ON DATABASE payments FROM orders, analytics_owner"
        )
