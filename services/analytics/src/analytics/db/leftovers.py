"""Delete the generations that no report reads, a few rows at a time."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Table, TextClause, text

from analytics.db.tables import FACTS, TOTALS
from chassis.postgres import Connection

LEFTOVERS = (*TOTALS, *FACTS)
"""The tables to delete from, in this order: while a fact is left, there is work (`generation_to_work_on`)."""

Key = Sequence[Any]
"""A row's key within its generation."""


async def leftover_generations(connection: Connection) -> list[int]:
    """The generations that no report reads. A slow writer may have left rows even in a REMOVED one."""
    query = "SELECT generation FROM projection_state WHERE state NOT IN ('ACTIVE', 'BUILDING') ORDER BY generation"
    return [row.generation for row in await connection.rows(text(query))]


async def remove_leftovers(
    connection: Connection, table: Table, generation: int, after: Key | None, limit: int
) -> Key | None:
    """Delete the next `limit` rows of a generation after the key `after`. Returns the last key; None without a row.

    It begins after `after`, so that it does not read the index entries of deleted rows again.
    """
    values = {"generation": generation, **dict(zip(_key(table), after or (), strict=False))}
    row = await connection.row(_removing(table, after is None, limit), values)
    return None if row is None else [row[column] for column in _key(table)]


async def end_removal(connection: Connection) -> None:
    """Make RETIRED generations, whose rows are deleted, REMOVED."""
    await connection.execute(text("UPDATE projection_state SET state = 'REMOVED' WHERE state = 'RETIRED'"))


@cache
def _removing(table: Table, from_the_start: bool, limit: int) -> TextClause:
    columns = _key(table)
    key = ", ".join(columns)
    behind = "" if from_the_start else f"AND ({key}) > ({', '.join(f':{column}' for column in columns)})"
    return text(
        f"""
        WITH page AS (
            SELECT {key} FROM {table.name} WHERE generation = :generation {behind} ORDER BY {key} LIMIT {limit}
        ), gone AS (
            DELETE FROM {table.name} AS t USING page
            WHERE t.generation = :generation AND {" AND ".join(f"t.{column} = page.{column}" for column in columns)}
        )
        SELECT {key} FROM page ORDER BY {", ".join(f"{column} DESC" for column in columns)} LIMIT 1
        """  # names come from the tables, values are bound
    )


def _key(table: Table) -> list[str]:
    return [column.name for column in table.primary_key.columns if column.name != "generation"]
