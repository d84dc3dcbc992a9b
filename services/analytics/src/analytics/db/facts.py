"""Writes facts. One statement per table writes any number of facts, also facts with different columns."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Table, TextClause, text
from sqlalchemy.dialects import postgresql

from analytics.db.tables import order_facts, product_facts
from analytics.domain import GUARDED_BY, MOMENTS, SOURCE_OF_COLUMN, VERSIONS, Fact, join_by
from chassis.postgres import Connection

REASONS_OF_EVENTS = ["handler-failed", "key-held", "schema-violation", "too-large"]
"""The reasons of dead letters that are events of this service. All others are PARKED."""


async def record(connection: Connection, facts: Sequence[Fact]) -> None:
    """Join facts into every BUILDING and ACTIVE generation. Several facts may be about the same row.

    Triggers update the totals. Orders are always written before products, so that two writers do not deadlock.
    """
    await _record(connection, facts, None)


async def record_rebuilt(connection: Connection, facts: Sequence[Fact], generation: int) -> None:
    """Join facts of one table into a BUILDING generation. If it is in another state, nothing changes."""
    # A live transaction may run several statements on these rows. This transaction waits until such transactions have
    # ended, before it locks its first row. So the two do not deadlock.
    for table in {_table_of(fact) for fact in facts}:
        await _block_writers(connection, table)
    await _record(connection, facts, generation)


async def _record(connection: Connection, facts: Sequence[Fact], generation: int | None) -> None:
    for table in (order_facts, product_facts):
        if rows := join_by(_key(table), [fact for fact in facts if _table_of(fact) is table]):
            await _upsert(connection, table, rows, generation)


async def _upsert(
    connection: Connection, table: Table, facts: Sequence[Fact], generation: int | None
) -> None:
    """Join facts into a table, at most one per row. It does the same as `domain.join`, in SQL."""
    columns = tuple(sorted({column for fact in facts for column in fact}))
    await connection.execute(
        _upserting(table, columns),
        {column: [fact.get(column) for fact in facts] for column in columns} | {"generation": generation},
    )


@cache
def _upserting(table: Table, columns: tuple[str, ...]) -> TextClause:
    """The statement that writes facts with these columns.

    The rows are sorted by key, so that two transactions that write the same rows do not deadlock.
    """
    key = _key(table)
    arrays = ", ".join(f"CAST(:{column} AS {_sql_type(table, column)}[])" for column in columns)
    changes = ", ".join(
        f"{column} = {_joined(column, 'f', 'excluded')}" for column in columns if column != key
    )
    return text(
        f"""
        INSERT INTO {table.name} AS f (generation, {", ".join(columns)})
        SELECT g.generation, {", ".join(f"e.{column}" for column in columns)}
        FROM projection_state AS g CROSS JOIN unnest({arrays}) AS e ({", ".join(columns)})
        WHERE g.state IN ('ACTIVE', 'BUILDING')
          AND (CAST(:generation AS integer) IS NULL OR g.generation = :generation)
        ORDER BY g.generation, e.{key}
        ON CONFLICT (generation, {key}) DO UPDATE SET {changes}
        """  # names come from the tables, values are bound
    )


class Carried(NamedTuple):
    """The result of one call of `carry_over`."""

    last: UUID | str | None
    """The key of the last row that was read, or None if no row was read."""
    kept: int
    """The number of rows of the new generation that changed."""


async def carry_over(
    connection: Connection,
    table: Table,
    generation: int,
    *,
    lost: Collection[str],
    after: UUID | str | None,
    limit: int,
) -> Carried:
    """Copy facts of the ACTIVE generation whose events the topics no longer have into a BUILDING generation.

    It reads up to `limit` rows of the ACTIVE generation, in the order of their keys, beginning after the key `after`.
    `lost` are the topics whose first records were deleted. Columns of these topics are joined. A column of another
    topic is copied if the new generation has no event of that topic for the row.
    """
    await _block_writers(connection, table)
    values = {"generation": generation, "lost": list(lost), "after": after}
    (found,) = await connection.rows(_carrying_over(table, after is None, limit), values)
    return Carried(found.last, found.kept)


@cache
def _carrying_over(table: Table, from_the_start: bool, limit: int) -> TextClause:
    # The limit is a literal, so that PostgreSQL plans for few rows and does not read a whole generation.
    key = _key(table)
    columns = [column.name for column in table.columns if column.name not in ("generation", key)]
    condition = "" if from_the_start else f"AND {key} > :after"
    return text(
        f"""
        WITH old AS (
            SELECT {key}, {", ".join(columns)} FROM {table.name}
            WHERE generation = (SELECT generation FROM projection_state WHERE state = 'ACTIVE') {condition}
            ORDER BY {key} LIMIT {limit}
        ), kept AS (
            INSERT INTO {table.name} AS f (generation, {key}, {", ".join(columns)})
            SELECT CAST(:generation AS integer), old.{key}, {", ".join(f"old.{column}" for column in columns)}
            FROM old LEFT JOIN {table.name} AS n ON n.generation = :generation AND n.{key} = old.{key}
            WHERE {" OR ".join(f"{_kept(c, 'n', 'old')} IS DISTINCT FROM n.{c}" for c in columns)}
            ORDER BY old.{key}
            ON CONFLICT (generation, {key}) DO UPDATE
            SET {", ".join(f"{column} = {_kept(column, 'f', 'excluded')}" for column in columns)}
            RETURNING 1
        )
        SELECT (SELECT {key} FROM old ORDER BY {key} DESC LIMIT 1) AS last, (SELECT count(*) FROM kept) AS kept
        """  # names come from the tables, values are bound
    )


def _kept(column: str, new: str, old: str) -> str:
    """SQL: the value of a column of the new row after the old row was copied."""
    if column not in SOURCE_OF_COLUMN:
        return _joined(column, new, old)
    topic, evidence = SOURCE_OF_COLUMN[column]
    return (
        f"CASE WHEN {new}.{evidence} IS NULL OR '{topic}' = ANY (CAST(:lost AS text[]))"
        f" THEN {_joined(column, new, old)} ELSE {new}.{column} END"
    )


def _joined(column: str, row: str, other: str) -> str:
    """SQL: the value of a column of `row` after `other` was joined into it."""
    if column in GUARDED_BY:
        guard = GUARDED_BY[column]
        return (
            f"CASE WHEN {other}.{guard} > coalesce({row}.{guard}, 0)"
            f" THEN {other}.{column} ELSE {row}.{column} END"
        )
    if column in VERSIONS:
        return f"greatest({row}.{column}, {other}.{column})"
    if column in MOMENTS:
        return f"least({row}.{column}, {other}.{column})"
    return f"coalesce({row}.{column}, {other}.{column})"


class Identity(NamedTuple):
    """A record's event, with the SHA-256 of its value: another record may have the same source and id."""

    source: str
    id: UUID
    digest: bytes


async def dead_letters_not_redriven(connection: Connection, events: Sequence[Identity]) -> set[Identity]:
    """Those of the events that are open or discarded dead letters, and that were not redriven under another letter.

    Letters of messages that are no events do not count: the rebuild refuses these messages itself. A letter that was
    stored without its value counts for every value.
    """
    rows = await connection.rows(
        text(
            """
            SELECT DISTINCT e.source, e.id, e.digest
            FROM dead_letters AS d
            JOIN unnest(CAST(:sources AS text[]), CAST(:ids AS uuid[]), CAST(:digests AS bytea[]))
                AS e (source, id, digest)
              ON e.source = d.source AND e.id = d.event_id
            WHERE d.state <> 'REDRIVEN' AND d.reason = ANY (CAST(:reasons AS text[]))
              AND (d.value IS NULL OR sha256(d.value) = e.digest)
              AND NOT EXISTS (
                SELECT FROM dead_letters AS r
                WHERE r.source = d.source AND r.event_id = d.event_id AND r.state = 'REDRIVEN')
            """
        ),
        {
            "sources": [event.source for event in events],
            "ids": [event.id for event in events],
            "digests": [event.digest for event in events],
            "reasons": REASONS_OF_EVENTS,
        },
    )
    return {Identity(*row) for row in rows}


async def _block_writers(connection: Connection, table: Table) -> None:
    """Block all other writers of a table until this transaction ends. Others can read the table."""
    await connection.execute(text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))


def _table_of(fact: Fact) -> Table:
    return order_facts if "order_id" in fact else product_facts


def _key(table: Table) -> str:
    return table.primary_key.columns[1].name


def _sql_type(table: Table, column: str) -> Any:
    return table.c[column].type.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
