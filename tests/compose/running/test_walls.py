"""No service reaches another's database in containers; a right too many is seen."""

import asyncpg

from tests.walls import PLANTED, PLANTED_BREACHES, breaches, closed_to_its_own_service

from .conftest import Containers


async def as_superuser(containers: Containers, database: str, statement: str) -> None:
    connection = await asyncpg.connect(containers.superuser_url(database), timeout=60)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_a_service_changes_no_table_and_reaches_no_other_database(containers: Containers) -> None:
    assert await breaches(containers.runtime_url, containers.owner_url) == []


async def test_the_rows_of_its_own_database_are_its_own(containers: Containers) -> None:
    assert await closed_to_its_own_service(containers.runtime_url) == []


async def test_a_right_too_many_is_seen(containers: Containers) -> None:
    for database, give, _ in PLANTED:
        await as_superuser(containers, database, give)
    try:
        assert sorted(await breaches(containers.runtime_url, containers.owner_url)) == PLANTED_BREACHES
    finally:
        for database, _, take_back in PLANTED:
            await as_superuser(containers, database, take_back)
