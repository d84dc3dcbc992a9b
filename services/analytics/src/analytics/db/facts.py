"""Facts go in: of any shape, by one statement for each table."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Table, TextClause, text
from sqlalchemy.dialects import postgresql

from analytics.db.tables import order_facts, product_facts
from analytics.domain import EVIDENCE, GUARDED_BY, MOMENTS, VERSIONS, Fact, join_by
from chassis.postgres import Connection


async def record(connection: Connection, facts: Sequence[Fact]) -> None:
    """Join facts, any number for each row, into every generation that is written.

    Totals follow by triggers. Orders go before products, always: two writers wait for each other in one order.
    """
    await _record(connection, facts, None)


async def record_rebuilt(connection: Connection, facts: Sequence[Fact], generation: int) -> None:
    """Join facts of one table into a generation that is being built; without effect if it no longer is."""
    # A live transaction may make several statements over these rows. Waiting for all of them first, while
    # holding nothing that they could want, is what keeps the two from deadlocking.
    for table in {_table_of(fact) for fact in facts}:
        await _lock_writers_out(connection, table)
    await _record(connection, facts, generation)


async def _record(connection: Connection, facts: Sequence[Fact], generation: int | None) -> None:
    for table in (order_facts, product_facts):
        if rows := join_by(_key(table), [fact for fact in facts if _table_of(fact) is table]):
            await _upsert(connection, table, rows, generation)


async def _upsert(
    connection: Connection, table: Table, facts: Sequence[Fact], generation: int | None
) -> None:
    """Join facts, at most one per row, into a table: `domain.join` in SQL."""
    columns = tuple(sorted({column for fact in facts for column in fact}))
    await connection.execute(
        _upserting(table, columns),
        {column: [fact.get(column) for fact in facts] for column in columns} | {"generation": generation},
    )


@cache
def _upserting(table: Table, columns: tuple[str, ...]) -> TextClause:
    """The statement for facts of these columns.

    Sorted by key: two that write the same rows wait for each other and do not deadlock.
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
    """What one call of `carry_over` did."""

    last: UUID | str | None
    """The key of the last row that was looked at; None if there was none."""
    kept: int
    """How many rows of the new generation got something."""


async def carry_over(
    connection: Connection,
    table: Table,
    generation: int,
    *,
    lost: Collection[str],
    after: UUID | str | None,
    most: int,
) -> Carried:
    """Give a BUILDING generation what the ACTIVE one knows and the topics no longer tell.

    Looks at up to `most` rows of the ACTIVE generation, in the order of their keys, behind `after`. `lost` are
    the topics that no longer begin at their first record: columns that come from these are joined. Columns of
    all others are taken only where the new generation has no event of that topic at all for the row.
    """
    await _lock_writers_out(connection, table)
    values = {"generation": generation, "lost": list(lost), "after": after}
    (found,) = await connection.rows(_carrying_over(table, after is None, most), values)
    return Carried(found.last, found.kept)


@cache
def _carrying_over(table: Table, from_the_start: bool, most: int) -> TextClause:
    # The limit is no parameter: PostgreSQL must know that few rows come, or it may read a whole generation.
    key = _key(table)
    columns = [column.name for column in table.columns if column.name not in ("generation", key)]
    behind = "" if from_the_start else f"AND {key} > :after"
    return text(
        f"""
        WITH old AS (
            SELECT {key}, {", ".join(columns)} FROM {table.name}
            WHERE generation = (SELECT generation FROM projection_state WHERE state = 'ACTIVE') {behind}
            ORDER BY {key} LIMIT {most}
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
    """What a column of a new row becomes when the old row is carried over."""
    if column not in EVIDENCE:
        return _joined(column, new, old)
    topic, evidence = EVIDENCE[column]
    return (
        f"CASE WHEN {new}.{evidence} IS NULL OR '{topic}' = ANY (CAST(:lost AS text[]))"
        f" THEN {_joined(column, new, old)} ELSE {new}.{column} END"
    )


def _joined(column: str, row: str, other: str) -> str:
    """A column of `row` after `other` was joined into it."""
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


async def letters_not_redriven(
    connection: Connection, events: Sequence[tuple[str, UUID]]
) -> set[tuple[str, UUID]]:
    """Which of these events, each (source, id), are dead letters that are open or were discarded."""
    rows = await connection.rows(
        text(
            """
            SELECT DISTINCT d.source, d.event_id
            FROM dead_letters AS d
            JOIN unnest(CAST(:sources AS text[]), CAST(:ids AS uuid[])) AS e (source, id)
              ON e.source = d.source AND e.id = d.event_id
            WHERE d.state <> 'REDRIVEN'
            """
        ),
        {"sources": [source for source, _ in events], "ids": [id for _, id in events]},
    )
    return {(row.source, row.event_id) for row in rows}


async def _lock_writers_out(connection: Connection, table: Table) -> None:
    """Let this transaction be the only writer of a table until it ends; readers go on."""
    await connection.execute(text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))


def _table_of(fact: Fact) -> Table:
    return order_facts if "order_id" in fact else product_facts


def _key(table: Table) -> str:
    return table.primary_key.columns[1].name


def _sql_type(table: Table, column: str) -> Any:
    return table.c[column].type.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
