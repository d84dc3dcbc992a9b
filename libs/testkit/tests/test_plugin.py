"""The fixtures that every other test stands on."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from shop_stack import paths, topics
from shop_stack.kafka_access import KafkaAccess
from testkit.databases import MakeDatabase

NO_TABLES = Path(__file__).parent


async def test_two_databases_of_one_service_share_nothing(database: MakeDatabase) -> None:
    first = await database("alpha", NO_TABLES)
    second = await database("alpha", NO_TABLES)
    owner = await asyncpg.connect(first.owner_url)
    await owner.execute("CREATE TABLE mark (id int)")
    await owner.close()
    other = await asyncpg.connect(second.owner_url)
    assert await other.fetchval("SELECT to_regclass('mark')") is None
    await other.close()


async def test_the_runtime_role_changes_rows_but_not_tables(database: MakeDatabase) -> None:
    made = await database("alpha", NO_TABLES)
    owner = await asyncpg.connect(made.owner_url)
    await owner.execute("CREATE TABLE thing (id int GENERATED ALWAYS AS IDENTITY, name text)")
    await owner.close()
    runtime = await asyncpg.connect(made.url)
    await runtime.execute("INSERT INTO thing (name) VALUES ('a')")
    assert await runtime.fetchval("SELECT name FROM thing") == "a"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await runtime.execute("DROP TABLE thing")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await runtime.execute("CREATE TABLE other (id int)")
    await runtime.close()


async def test_no_role_connects_to_another_services_database(database: MakeDatabase) -> None:
    alpha = await database("alpha", NO_TABLES)
    beta = await database("beta", NO_TABLES)
    for intruder, wanted in ((alpha.url, beta.name), (alpha.owner_url, beta.name), (beta.url, alpha.name)):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
            await asyncpg.connect(intruder.rsplit("/", 1)[0] + "/" + wanted)


@pytest.mark.parametrize("shared", ["postgres", "template1"])
async def test_no_role_connects_to_a_database_that_all_clusters_have(
    database: MakeDatabase, shared: str
) -> None:
    made = await database("alpha", NO_TABLES)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
        await asyncpg.connect(made.url.rsplit("/", 1)[0] + "/" + shared)


async def test_the_broker_has_every_declared_topic(kafka: KafkaAccess) -> None:
    admin = AIOKafkaAdminClient(**kafka.client)
    await admin.start()
    present = {found["topic"]: len(found["partitions"]) for found in await admin.describe_topics()}
    await admin.close()
    declared = {topic.name: topic.partitions for topic in topics.declared(paths.contracts())}
    assert {name: present.get(name) for name in declared} == declared
