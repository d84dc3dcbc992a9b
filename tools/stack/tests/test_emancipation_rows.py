"""Rows and positions of a module on a real PostgreSQL: copied as they are, and no event is skipped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from aiokafka import TopicPartition

from shop_stack.emancipation import copying, databases, marks, reading
from shop_stack.emancipation.databases import Place
from shop_stack.emancipation.journal import Mark
from shop_stack.errors import UserError
from shop_stack.postgres import Server

Connection: TypeAlias = "asyncpg.Connection[Any]"
TOPIC = "things.thing.v1"
TABLES = """
    CREATE SCHEMA IF NOT EXISTS {schema};
    CREATE TABLE {schema}.alembic_version (version_num text);
    INSERT INTO {schema}.alembic_version VALUES ('{version}');
    CREATE TABLE {schema}.outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        shard smallint NOT NULL, topic text NOT NULL, twice smallint GENERATED ALWAYS AS (shard * 2) STORED
    );
    CREATE TABLE {schema}.copies (outbox bigint REFERENCES {schema}.outbox);
    CREATE FUNCTION {schema}.count() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN INSERT INTO {schema}.copies VALUES (NULL); RETURN NULL; END $$;
    CREATE TRIGGER count AFTER INSERT ON {schema}.outbox FOR EACH ROW EXECUTE FUNCTION {schema}.count();
    CREATE TABLE {schema}.reader_position (
        topic text, shard smallint, snapshot pg_snapshot NOT NULL, upper pg_snapshot,
        after_id bigint NOT NULL DEFAULT 0, PRIMARY KEY (topic, shard)
    );
"""
WRITE = (
    "INSERT INTO {schema}.outbox (shard, topic) SELECT n % 12, '"
    + TOPIC
    + "' FROM generate_series(1, $1) AS n"
)
GROUP, ALONE = "things", "public"


@pytest_asyncio.fixture
async def places(postgres_server: Server) -> AsyncIterator[tuple[Place, Place]]:
    """A schema in the database of a group, and one in a database of its own."""
    names = [f"test-{uuid4()}" for _ in range(2)]
    found = Place(names[0], GROUP), Place(names[1], ALONE)
    for place in found:
        async with postgres_server.connected() as connection:
            await connection.execute(f'CREATE DATABASE "{place.database}"')
        async with postgres_server.connected(place.database) as connection:
            await connection.execute(TABLES.format(schema=place.schema, version="0002"))
    async with postgres_server.connected(found[0].database) as connection:
        await connection.execute(WRITE.format(schema=GROUP), 30)
        await connection.execute("CREATE SCHEMA topics")
        await connection.execute(f'CREATE VIEW topics."{TOPIC}" AS SELECT * FROM {GROUP}.outbox')
    yield found
    for name in names:
        await databases.drop(postgres_server, name)


async def test_rows_numbers_and_transactions_are_copied_as_they_are_and_triggers_stay_silent(
    postgres_server: Server, places: tuple[Place, Place]
) -> None:
    source, target = places
    for _ in range(2):  # again, as after a crash
        assert await copying.copy_module(postgres_server, "things", source, target) == 60
    query = "SELECT id, xid::text, shard, topic, twice FROM {table} ORDER BY id"
    async with postgres_server.connected(source.database) as connection:
        expected = await connection.fetch(query.format(table=source.table("outbox")))
    async with postgres_server.connected(target.database) as connection:
        assert await connection.fetch(query.format(table=target.table("outbox"))) == expected
        assert await connection.fetchval("SELECT count(*) FROM copies") == 30
        await connection.execute("INSERT INTO outbox (shard, topic) VALUES (1, 'x')")
        assert await connection.fetchval("SELECT max(id) FROM outbox") == 31
    assert await databases.size_of(postgres_server, target) > 0


async def test_tables_of_another_migration_are_not_copied(
    postgres_server: Server, places: tuple[Place, Place]
) -> None:
    source, target = places
    async with postgres_server.connected(target.database) as connection:
        await connection.execute("UPDATE alembic_version SET version_num = '0003'")
    with pytest.raises(
        UserError, match="another version of its code .migration 0002, and 0003 is the last one"
    ):
        await copying.copy_module(postgres_server, "things", source, target)
    async with postgres_server.connected(target.database) as connection:
        await connection.execute("UPDATE alembic_version SET version_num = '0002'; DROP TABLE copies")
    with pytest.raises(UserError, match="another version of its code"):
        await copying.copy_module(postgres_server, "things", source, target)


async def test_a_copy_that_is_not_equal_is_not_kept(
    postgres_server: Server, places: tuple[Place, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = places
    copy = copying._copy

    async def lose_a_row(giver: Any, taker: Any, table: str, *more: Any) -> None:
        await copy(giver, taker, table, *more)
        if table == "outbox":
            await taker.execute(f"UPDATE {target.table(table)} SET shard = 11 WHERE id = 7")

    monkeypatch.setattr(copying, "_copy", lose_a_row)
    with pytest.raises(UserError, match="The copy of the table outbox is not equal to its original"):
        await copying.copy_module(postgres_server, "things", source, target)
    async with postgres_server.connected(target.database) as connection:
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 0


async def test_a_reader_goes_on_at_the_latest_mark_whose_rows_it_has_taken_all(
    postgres_server: Server, places: tuple[Place, Place]
) -> None:
    source, _ = places
    position = source.table("reader_position")
    noted = [Mark(marks.BEGINNING, {})]
    async with postgres_server.connected(source.database) as connection:
        for _ in range(3):
            noted.append(Mark(await marks.snapshot(postgres_server), {}))
            await connection.execute(WRITE.format(schema=GROUP), 12)
        last = await marks.snapshot(postgres_server)

        async def latest() -> int:
            return noted.index(await reading.latest_taken(connection, position, TOPIC, noted))

        assert await latest() == 0  # it has no position yet
        go_on = reading.GO_ON_AT.format(position=position, shards=reading.SHARDS)
        for reached, expected in ((noted[2].snapshot, 2), (last, 3)):
            await connection.execute(go_on, TOPIC, reached)
            assert await latest() == expected
        # One shard has stopped at an event that has to wait.
        stay = f"UPDATE {position} SET snapshot = $1::text::pg_snapshot, upper = $2::text::pg_snapshot, after_id = $3"
        await connection.execute(f"{stay} WHERE shard = 5", noted[1].snapshot, None, 0)
        assert await latest() == 1
        # It is in the middle of a window: only the row with the last id of its shard is left.
        first = await connection.fetchval(
            f"SELECT min(id) FROM {source.table('outbox')} WHERE id > 30 AND shard = 5"
        )
        await connection.execute(f"{stay} WHERE shard = 5", noted[1].snapshot, noted[3].snapshot, first)
        assert await latest() == 2
        # A row of a transaction that was open at the mark is not one of its rows.
        await connection.execute(f"DELETE FROM {position} WHERE shard = 3")
        assert await latest() == 0


async def test_a_row_is_unsent_until_the_position_of_its_shard_has_passed_it(
    postgres_server: Server, places: tuple[Place, Place]
) -> None:
    source, _ = places
    query = marks.UNSENT.format(cursor=source.table("relay_cursor"), outbox=source.table("outbox"))
    async with postgres_server.connected(source.database) as connection:
        await connection.execute(
            f"CREATE TABLE {GROUP}.relay_cursor AS SELECT shard::smallint, '3:3:'::pg_snapshot AS snapshot,"
            " NULL::pg_snapshot AS upper, 0::bigint AS after_id, 'someone' AS owner, now() AS lease_until"
            " FROM generate_series(0, 11) AS shard"
        )
        reached = await marks.snapshot(postgres_server)
        assert await connection.fetchval(query, reached) is True
        assert await connection.fetchval(query, marks.BEGINNING) is False
        await marks.note_sent(postgres_server, {"things": source}, reached)
        assert await connection.fetchval(query, reached) is False
        assert await connection.fetchval(f"SELECT count(owner) FROM {GROUP}.relay_cursor") == 0
        await connection.execute(WRITE.format(schema=GROUP), 1)
        assert await connection.fetchval(query, reached) is False
        assert await connection.fetchval(query, await marks.snapshot(postgres_server)) is True


async def test_a_database_gets_its_new_name_once_and_its_sessions_end(
    postgres_server: Server, places: tuple[Place, Place]
) -> None:
    before, after = places[0].database, f"test-{uuid4()}"
    async with postgres_server.connected(before) as session:
        for _ in range(2):
            await databases.rename(postgres_server, before, after)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await session.fetchval("SELECT 1")
    assert await databases.name_now(postgres_server, before, after) == after
    await databases.rename(postgres_server, after, before)
    assert await databases.name_now(postgres_server, before, after) == before
    with pytest.raises(LookupError):
        await databases.name_now(postgres_server, after)


def test_a_group_goes_on_at_the_latest_mark_whose_records_it_has_taken_all() -> None:
    noted = [
        Mark("3:3:", {}),
        *(Mark(f"{n}:{n}:", {f"{TOPIC}/0": n, f"{TOPIC}/1": n, "other.v1/0": 99}) for n in (5, 7)),
    ]
    places = [TopicPartition(TOPIC, number) for number in (0, 1)]

    def latest(*offsets: int) -> str:
        return reading.latest_reached(dict(zip(places, offsets, strict=True)), TOPIC, noted).snapshot

    assert [latest(4, 9), latest(5, 6), latest(7, 7), latest(0, 0)] == ["3:3:", "5:5:", "7:7:", "3:3:"]
