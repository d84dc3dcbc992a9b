"""Planner settings: plans that were made while a table was empty are good plans when it is full."""

from chassis.outbox import Database
from chassis.tuning import planner
from testkit.databases import TestDatabase

PREPARE = (
    "PREPARE parked (bigint[]) AS"
    " WITH locked AS (SELECT id FROM dead_letters WHERE id = ANY($1) ORDER BY id FOR UPDATE)"
    " UPDATE dead_letters d SET state = 'PARKED' FROM locked l WHERE d.id = l.id"
)


async def plan_on_an_empty_table(database: Database) -> str:
    async with database.reading() as connection:
        await connection.driver.execute(PREPARE)
        lines = await connection.driver.fetch("EXPLAIN EXECUTE parked ('{}')")
    await database.close()
    return "\n".join(line for (line,) in lines)


async def test_a_plan_that_was_made_on_an_empty_table_scans_no_table(project: TestDatabase) -> None:
    plan = await plan_on_an_empty_table(Database(project.url, server_settings=planner.SERVER_SETTINGS))
    assert plan.count("Index Cond") == 2, plan
    assert "Seq Scan" not in plan, plan


async def test_without_the_planner_settings_an_empty_table_is_scanned(project: TestDatabase) -> None:
    """If this fails, PostgreSQL plans well by itself, and tuning/planner.py may go."""
    plan = await plan_on_an_empty_table(
        Database(project.url, server_settings={"plan_cache_mode": "force_generic_plan"})
    )
    assert "Seq Scan" in plan, plan
