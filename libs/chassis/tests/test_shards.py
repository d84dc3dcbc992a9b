"""A key's shard is its partition, so that whoever consumes it can relay what is written about it."""

from functools import partial
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.partitioner import DefaultPartitioner
from fastapi import APIRouter
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from chassis.events import Cause, ConsumedEvent
from chassis.inbox import Subscriptions
from chassis.kafka import KafkaPublisher
from chassis.outbox import SHARDS, Database, key_hash, shard_of
from chassis.postgres import Statements
from chassis.service import build_service
from chassis.settings import ServiceSettings
from shop_stack.kafka_access import KafkaAccess
from testkit import client, eventually
from testkit.databases import TestDatabase
from testkit.logins import login_of

STATEMENTS = Statements("chassis.postgres")


@given(st.text(), st.integers(1, 100))
def test_keys_are_divided_as_kafka_divides_them(key: str, partitions: int) -> None:
    every = list(range(partitions))
    assert key_hash(key.encode()) % partitions == DefaultPartitioner()(key.encode(), every, every)


async def test_a_record_goes_into_the_partition_of_its_shard(kafka: KafkaAccess) -> None:
    publisher = KafkaPublisher(kafka.client, "/things")
    producer = await publisher._connected()
    every = [*range(SHARDS)]
    for key in (str(uuid4()) for _ in range(50)):
        assert producer._partitioner(key.encode(), every, every) == shard_of(key)
    await publisher.close()


async def test_a_service_relays_the_keys_that_it_consumes(
    project: TestDatabase,
    kafka: KafkaAccess,
    kafka_admin: AIOKafkaAdminClient,
    effects: Any,
) -> None:
    topic = f"things.{uuid4().hex[:8]}.v1"
    await kafka_admin.create_topics([NewTopic(topic, num_partitions=5, replication_factor=1)])
    settings = ServiceSettings(**login_of(kafka), service_name=topic, database_url=SecretStr(project.url))

    class Counted(ConsumedEvent, type="things.thing-counted.v1", topic=topic):
        name: str

    service = build_service(
        settings, router=APIRouter(), subscriptions=Subscriptions({Counted: effects.count})
    )
    database = await asyncpg.connect(project.url)
    async with client(service):
        await eventually(partial(_consumed, database, [0, 1, 2, 3, 4]), 20)
    await database.close()
    await kafka_admin.delete_topics([topic])


async def _consumed(database: Any, shards: list[int]) -> None:
    assert sorted(await database.fetchval("SELECT consumed FROM relay_member") or ()) == shards


@pytest.mark.parametrize("migration", ["migrations_0002", "migrations_0002_down"])
async def test_keys_do_not_change_their_shards_while_events_are_to_be_sent(
    migration: str, project: TestDatabase, db: Database, thing_counted: Any
) -> None:
    look = STATEMENTS.raw(migration).split(";\n")[0]
    owner = await asyncpg.connect(project.owner_url)
    await owner.execute(look)
    async with db.transaction() as tx:
        tx.publish(thing_counted("a", 1), cause=Cause(None, "a", None))
    with pytest.raises(asyncpg.RaiseError, match="let it send them"):
        await owner.execute(look)
    await owner.execute("UPDATE relay_cursor SET snapshot = pg_current_snapshot()")
    await owner.execute(look)
    await owner.close()
