"""An earlier release on a later schema: its migrations change nothing, and it does not know how to undo them."""

import os
import sys

import asyncpg

from libs.chassis.tests.conftest import PROJECT
from shop_stack.process import run
from testkit.databases import TestDatabase

LATER = "9999"


async def alembic(database: TestDatabase, *arguments: str) -> tuple[int, str]:
    environment = {**os.environ, "MIGRATION_DATABASE_URL": database.owner_url}
    return await run([sys.executable, "-m", "alembic", *arguments], cwd=PROJECT, env=environment)


async def schema_of(database: TestDatabase) -> str:
    connection = await asyncpg.connect(database.owner_url)
    try:
        return str(await connection.fetchval("SELECT version_num FROM alembic_version"))
    finally:
        await connection.close()


async def migrated_by_a_later_release(database: TestDatabase) -> None:
    connection = await asyncpg.connect(database.owner_url)
    await connection.execute("UPDATE alembic_version SET version_num = $1", LATER)
    await connection.close()


async def test_an_earlier_release_leaves_a_later_schema_as_it_is(project: TestDatabase) -> None:
    await migrated_by_a_later_release(project)
    code, output = await alembic(project, "upgrade", "head")
    assert code == 0, output
    assert LATER in output
    assert "migrations.schema_is_later" in output
    assert await schema_of(project) == LATER


async def test_other_commands_refuse_a_schema_that_they_do_not_know(project: TestDatabase) -> None:
    await migrated_by_a_later_release(project)
    for command in (("downgrade", "base"), ("current",)):
        code, output = await alembic(project, *command)
        assert code != 0
        assert f"Can't locate revision identified by '{LATER}'" in output
    assert await schema_of(project) == LATER


async def test_a_release_applies_its_own_migrations(project: TestDatabase) -> None:
    code, output = await alembic(project, "upgrade", "head")
    assert (code, "schema_is_later" in output) == (0, False), output
