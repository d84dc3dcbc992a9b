"""SQLAlchemy's statements, sent by asyncpg: what goes in by name comes out by name."""

import asyncio
import json
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, insert, select, text

from chassis.outbox import Database
from chassis.postgres.connection import compiled
from testkit import eventually

EFFECTS = Table(
    "effects", MetaData(), Column("name", Text), Column("number", Integer), Column("in_call", Integer)
)


async def test_a_parameter_may_stand_in_several_places(db: Database) -> None:
    async with db.reading() as connection:
        row = await connection.row(
            text("SELECT CAST(:it AS text) AS one, CAST(:it AS text) AS two, CAST(:other AS int) AS three"),
            {"it": "a", "other": 3},
        )
    assert row is not None
    assert (row.one, row["two"], row.three) == ("a", "a", 3)
    with pytest.raises(AttributeError):
        _ = row.four


async def test_a_parameter_without_a_value_is_named() -> None:
    with pytest.raises(KeyError, match="missing"):
        compiled(text("SELECT :missing"), {"other": 1})


async def test_a_statement_that_is_put_together_brings_its_own_values(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.connection.execute(insert(EFFECTS).values(name="a", number=1, in_call=0))
        await tx.connection.execute(insert(EFFECTS).values(name="b", number=2, in_call=0))
    async with db.reading() as connection:
        rows = await connection.rows(select(EFFECTS.c.name).where(EFFECTS.c.number > 1))
        assert await connection.value(select(EFFECTS.c.name).where(EFFECTS.c.number > 9)) is None
    assert [dict(row) for row in rows] == [{"name": "b"}]


async def test_json_is_written_as_text_and_read_as_what_it_holds(db: Database) -> None:
    async with db.reading() as connection:
        read = await connection.value(text("SELECT CAST(:it AS jsonb)"), {"it": json.dumps({"a": [1, None]})})
    assert read == {"a": [1, None]}


async def test_a_connection_whose_transaction_was_cut_off_comes_back_without_it(db: Database) -> None:
    begun = asyncio.Event()

    async def cut_off() -> None:
        async with db.transaction() as tx:
            await tx.connection.execute(insert(EFFECTS).values(name="gone", number=1, in_call=0))
            begun.set()
            await tx.connection.execute(text("SELECT pg_sleep(60)"))

    task = asyncio.create_task(cut_off())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async def nothing_is_left() -> None:
        async with db.reading() as connection:
            assert await connection.value(text("SELECT count(*) FROM effects")) == 0
            assert not connection.driver.is_in_transaction()

    await eventually(nothing_is_left)


async def test_a_connection_that_the_server_ended_is_replaced(db: Database) -> None:
    async with db.reading() as connection:
        before = await connection.value(text("SELECT pg_backend_pid()"))
        with pytest.raises(asyncpg.PostgresError):
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    async with db.reading() as connection:
        assert await connection.value(text("SELECT pg_backend_pid()")) != before


async def test_ids_come_as_uuids(db: Database) -> None:
    it = "0190a6f0-0000-7000-8000-000000000000"
    async with db.reading() as connection:
        assert await connection.value(text("SELECT CAST(:it AS uuid)"), {"it": it}) == UUID(it)
