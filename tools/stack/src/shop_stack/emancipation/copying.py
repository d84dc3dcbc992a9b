"""Copies the rows of a module from one schema to another, in one transaction, and compares them.

Nothing else may write either schema meanwhile. Numbers of transactions (`xid` of the outbox) and snapshots are copied
as they are: both databases are on one server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeAlias

import asyncpg

from shop_stack.emancipation.databases import Place
from shop_stack.errors import UserError
from shop_stack.local_topics import quoted
from shop_stack.postgres import Server

Connection: TypeAlias = "asyncpg.Connection[Any]"

VERSION = "alembic_version"
NOT_COPIED = frozenset({VERSION, "reader_position", "reader_lease"})
"""The number of the tables' last migration, and the tables of a reader, which belong to the database of a group."""
CHUNKS = 8
"""Pieces of a table that are in memory at a time."""

COLUMNS = """
    SELECT c.relname AS table, array_agg(a.attname ORDER BY a.attnum) AS columns
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'r'
      AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    GROUP BY c.relname ORDER BY c.relname
"""
SEQUENCES = (
    "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = $1 AND last_value IS NOT NULL"
)


async def copy_module(server: Server, module: str, source: Place, target: Place) -> int:
    """Replace the rows of `target` by those of `source`. Returns how many there are. Idempotent.

    Raises UserError if the tables differ, or if a copy is not equal to its original. Then `target` is as before.
    """
    async with server.connected(source.database) as giver, server.connected(target.database) as taker:
        tables = await _tables_of_both(module, (giver, source), (taker, target))
        async with giver.transaction(isolation="repeatable_read", readonly=True), taker.transaction():
            # Neither triggers nor foreign keys act on rows that were complete before.
            await taker.execute("SET LOCAL session_replication_role = replica")
            if tables:
                await taker.execute(f"TRUNCATE {', '.join(target.table(name) for name in tables)}")
            total = 0
            for table, columns in tables.items():
                await _copy(giver, taker, table, columns, source, target)
                total += await _compare(giver, taker, table, columns, source, target)
            for name, last in await giver.fetch(SEQUENCES, source.schema):
                await taker.execute("SELECT setval($1::text::regclass, $2)", target.table(name), last)
    return total


async def analyze(server: Server, place: Place) -> None:
    """Have PostgreSQL count the rows of a module, so that it plans its statements well."""
    async with server.connected(place.database) as connection:
        for record in await connection.fetch(COLUMNS, quoted(place.schema)):
            await connection.execute(f"ANALYZE {place.table(record['table'])}")


async def _tables_of_both(
    module: str, source: tuple[Connection, Place], target: tuple[Connection, Place]
) -> Mapping[str, Sequence[str]]:
    """Table → its columns. Raises UserError if they are not the same in both schemas."""
    found = [await _tables(*place) for place in (source, target)]
    versions = [
        await connection.fetchval(f"SELECT max(version_num) FROM {place.table(VERSION)}")
        for connection, place in (source, target)
    ]
    differ = sorted(
        table
        for table in found[0] | found[1]
        if sorted(found[0].get(table, [])) != sorted(found[1].get(table, []))
    )
    if versions[0] != versions[1] or differ:
        raise UserError(
            f"The tables of {module} are those of another version of its code (migration {versions[0]}, and "
            f"{versions[1]} is the last one): restart its process, so that they are migrated, and then try again."
        )
    return found[0]


async def _tables(connection: Connection, place: Place) -> dict[str, Sequence[str]]:
    records = await connection.fetch(COLUMNS, quoted(place.schema))
    return {table: columns for table, columns in records if table not in NOT_COPIED}


async def _copy(
    giver: Connection, taker: Connection, table: str, columns: Sequence[str], source: Place, target: Place
) -> None:
    chunks: asyncio.Queue[bytes | None] = asyncio.Queue(CHUNKS)

    async def read() -> None:
        await giver.copy_from_table(
            table, schema_name=source.schema, columns=columns, output=chunks.put, format="binary"
        )
        await chunks.put(None)

    async def pieces() -> AsyncIterator[bytes]:
        while (chunk := await chunks.get()) is not None:
            yield chunk

    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        group.create_task(
            taker.copy_to_table(
                table, schema_name=target.schema, columns=columns, source=pieces(), format="binary"
            )
        )


async def _compare(
    giver: Connection, taker: Connection, table: str, columns: Sequence[str], source: Place, target: Place
) -> int:
    """Raise UserError if the rows of both tables are not the same. Returns how many there are."""
    row = ", ".join(map(quoted, columns))
    counted = "SELECT count(*), coalesce(sum(hashtextextended(ROW({row})::text, 0)), 0)::text FROM {table}"
    before = await giver.fetchrow(counted.format(row=row, table=source.table(table)))
    after = await taker.fetchrow(counted.format(row=row, table=target.table(table)))
    assert before is not None
    if before != after:
        raise UserError(
            f"The copy of the table {table} is not equal to its original, so it was not kept: try again, and see "
            "`shop logs postgres`."
        )
    return int(before[0])
