"""Searches what the shop stores, through its servers: every topic, and every table of every database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from shop_observe.tail import whole
from shop_observe.topics import all_topics
from shop_oracle.databases import Connection, snapshot
from shop_oracle.search.wanted import Place, Tally, Wanted
from shop_stack.target import Target

AT_ONCE = 1_000
BETWEEN = b"\x1f"
"""A byte between two values, which is part of no word."""
COLUMNS = """
    SELECT n.nspname, c.relname, a.attname, a.atttypid = 'bytea'::regtype
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind = 'r' AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
    ORDER BY 1, 2, a.attnum
"""


async def search_topics(target: Target, wanted: Sequence[Wanted]) -> list[Place]:
    """Search key, value and headers of every record of every topic, dead letters included.

    Raises LogUnreadable if Kafka is unavailable or silent.
    """
    names = [topic.name for topic in all_topics(target.contracts)]
    tallies = {name: Tally(f"topic {name}", "records", wanted) for name in names}
    async with whole(target, names) as tail:
        async for records in tail.to_the_ends():
            for record in records:
                where = f"{record.topic}[{record.partition}]@{record.offset}"
                tallies[record.topic].look_at(_bytes_of(record), where)
    return [tally.place for tally in tallies.values()]


def _bytes_of(record: Any) -> bytes:
    """Key, value and headers of a record."""
    headers = [part for name, value in record.headers for part in (str(name).encode(), value or b"")]
    return BETWEEN.join([record.key or b"", record.value or b"", *headers])


async def search_databases(target: Target, wanted: Sequence[Wanted]) -> list[Place]:
    """Search every row of every table of every service. Raises EvidenceMissing if a database cannot be read."""
    found = await asyncio.gather(
        *(search_database(service, url, wanted) for service, url in target.database_urls.items())
    )
    return [place for places in found for place in places]


async def search_database(service: str, url: str, wanted: Sequence[Wanted]) -> list[Place]:
    """One place per table, all of the same moment. Raises EvidenceMissing if the database cannot be read."""
    async with snapshot(service, url) as connection:
        return [
            await _search_table(connection, service, table, columns, wanted)
            for table, columns in (await _tables(connection)).items()
        ]


async def _tables(connection: Connection) -> dict[str, list[str]]:
    """Quoted table name → an expression per column, which gives its text, or its bytes."""
    tables: dict[str, list[str]] = {}
    for schema, table, column, is_bytes in await connection.fetch(COLUMNS):
        text = _quoted(column) if is_bytes else f"{_quoted(column)}::text"
        tables.setdefault(f"{_quoted(schema)}.{_quoted(table)}", []).append(text)
    return tables


async def _search_table(
    connection: Connection, service: str, table: str, columns: Sequence[str], wanted: Sequence[Wanted]
) -> Place:
    shown = table.replace('"', "")
    tally = Tally(f"database {service}: {shown}", "rows", wanted)
    query = f"SELECT ctid::text, {', '.join(columns)} FROM {table}"
    async for row in connection.cursor(query, prefetch=AT_ONCE):
        where, *values = row
        content = BETWEEN.join(_encoded(value) for value in values if value is not None)
        tally.look_at(content, f"{service}: {shown} at {where}")
    return tally.place


def _encoded(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode(errors="replace")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
