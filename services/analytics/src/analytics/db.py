"""Tables and queries. Facts of any shape go in by one statement, `upsert`; each report is one statement."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TextClause,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

from analytics.domain import GUARDED_BY, MOMENTS, VERSIONS, Fact, GenerationState, join_by
from chassis.outbox import Database
from chassis.postgres import Connection

metadata = MetaData()

# `positions` maps "topic/partition" to the next offset to read.
projection_state = Table(
    "projection_state",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("activated_at", DateTime(timezone=True)),
    Column("positions", JSONB, nullable=False, server_default=text("'{}'")),
    Column("messages_read", BigInteger, nullable=False, server_default=text("0")),
    Column("messages_total", BigInteger),
    Column("messages_skipped", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("state IN ('BUILDING', 'ACTIVE', 'RETIRED', 'REMOVED')"),
    Index(
        "projection_state_one_of_each",
        "state",
        unique=True,
        postgresql_where=text("state IN ('ACTIVE', 'BUILDING')"),
    ),
)

order_facts = Table(
    "order_facts",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("order_id", Uuid, primary_key=True),
    Column("order_version", Integer),
    Column("order_state", Text),
    Column("placed_at", DateTime(timezone=True)),
    Column("confirmed_at", DateTime(timezone=True)),
    Column("total_minor", BigInteger),
    Column("currency", Text),
    Column("lines", JSONB),
    Column("reservation_version", Integer),
    Column("reservation_state", Text),
    Column("reserved_at", DateTime(timezone=True)),
    Column("payment_version", Integer),
    Column("payment_state", Text),
    Column("captured_at", DateTime(timezone=True)),
    Column("refunded_minor", BigInteger),
    Column("notified_at", DateTime(timezone=True)),
)

product_facts = Table(
    "product_facts",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("sku", Text, primary_key=True),
    Column("version", Integer),
    Column("name", Text),
)


@dataclass(frozen=True, slots=True)
class Generation:
    """One build of the projections.

    `positions` maps "topic/partition" to the next offset to read; counts are messages.
    """

    generation: int
    state: GenerationState
    opened_at: datetime
    activated_at: datetime | None
    positions: Mapping[str, int]
    messages_read: int
    messages_total: int | None
    messages_skipped: int


async def upsert(
    connection: Connection, table: Table, facts: Sequence[Fact], generation: int | None = None
) -> None:
    """Join facts, at most one per row, into a table: `domain.join` in SQL.

    They go into `generation` if it is (still) written; without one into every generation that is.
    """
    columns = tuple(sorted({column for fact in facts for column in fact}))
    await connection.execute(
        _upsert(table, columns),
        {column: [fact.get(column) for fact in facts] for column in columns} | {"generation": generation},
    )


async def join_order_facts(connection: Connection, facts: Sequence[Fact]) -> None:
    """Join facts about orders, any number for each, into every generation that is written."""
    await upsert(connection, order_facts, join_by("order_id", facts))


async def join_product_facts(connection: Connection, facts: Sequence[Fact]) -> None:
    """Join facts about products, any number for each, into every generation that is written."""
    await upsert(connection, product_facts, join_by("sku", facts))


@cache
def _upsert(table: Table, columns: tuple[str, ...]) -> TextClause:
    """The statement for facts of these columns.

    Sorted by key: two that write the same rows wait for each other and do not deadlock.
    """
    key = table.primary_key.columns[1].name
    arrays = ", ".join(f"CAST(:{column} AS {_sql_type(table, column)}[])" for column in columns)
    return text(
        f"""
        INSERT INTO {table.name} AS f (generation, {", ".join(columns)})
        SELECT g.generation, {", ".join(f"e.{column}" for column in columns)}
        FROM projection_state AS g CROSS JOIN unnest({arrays}) AS e ({", ".join(columns)})
        WHERE g.state IN ('ACTIVE', 'BUILDING')
          AND (CAST(:generation AS integer) IS NULL OR g.generation = :generation)
        ORDER BY g.generation, e.{key}
        ON CONFLICT (generation, {key}) DO UPDATE
        SET {", ".join(f"{column} = {_joined(column)}" for column in columns if column != key)}
        """  # names come from the tables above, values are bound
    )


def _joined(column: str) -> str:
    if column in GUARDED_BY:
        guard = GUARDED_BY[column]
        return (
            f"CASE WHEN excluded.{guard} > coalesce(f.{guard}, 0) THEN excluded.{column} ELSE f.{column} END"
        )
    if column in VERSIONS:
        return f"greatest(f.{column}, excluded.{column})"
    if column in MOMENTS:
        return f"least(f.{column}, excluded.{column})"
    return f"coalesce(f.{column}, excluded.{column})"


def _sql_type(table: Table, column: str) -> str:
    return str(table.c[column].type.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]


async def lock_writers_out(connection: Connection, table: Table) -> None:
    """Let this transaction be the only writer of a table until it ends; readers go on."""
    await connection.execute(text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))


async def open_generation(connection: Connection) -> int | None:
    """Open the next generation as BUILDING and return its number; None if one is BUILDING already."""
    found: int | None = await connection.value(
        text(
            """
            INSERT INTO projection_state (generation, state)
            SELECT max(generation) + 1, 'BUILDING' FROM projection_state
            ON CONFLICT DO NOTHING
            RETURNING generation
            """
        )
    )
    return found


async def generation_in(connection: Connection, *states: GenerationState) -> Generation | None:
    """The newest generation in one of some states."""
    return await _generation(connection, "state = ANY (CAST(:it AS text[]))", list(states))


async def generation_numbered(connection: Connection, number: int) -> Generation | None:
    """The generation of a number."""
    return await _generation(connection, "generation = :it", number)


async def _generation(connection: Connection, condition: str, it: object) -> Generation | None:
    row = await connection.row(
        text(f"SELECT * FROM projection_state WHERE {condition} ORDER BY generation DESC LIMIT 1"),
        {"it": it},
    )
    if row is None:
        return None
    return Generation(**{**row, "state": GenerationState(row["state"])})


async def save_progress(
    connection: Connection,
    generation: int,
    *,
    positions: Mapping[str, int],
    read: int,
    total: int,
    skipped: int,
) -> None:
    """Write down how far a rebuild has read: the absolute counts, not what was added."""
    await connection.execute(
        text(
            """
            UPDATE projection_state
            SET positions = CAST(:positions AS jsonb), messages_read = :read, messages_total = :total,
                messages_skipped = :skipped
            WHERE generation = :generation AND state = 'BUILDING'
            """
        ),
        {
            "generation": generation,
            "positions": json.dumps(positions),
            "read": read,
            "total": total,
            "skipped": skipped,
        },
    )


async def activate(connection: Connection, generation: int) -> None:
    """Make a BUILDING generation the ACTIVE one.

    The one before is RETIRED, and first: there is never a second.
    """
    await connection.execute(text("UPDATE projection_state SET state = 'RETIRED' WHERE state = 'ACTIVE'"))
    await connection.execute(
        text(
            """
            UPDATE projection_state SET state = 'ACTIVE', activated_at = now()
            WHERE generation = :generation
            """
        ),
        {"generation": generation},
    )


async def remove_retired(connection: Connection) -> int:
    """Delete the facts of all generations before the active one; returns how many rows went."""
    removed = 0
    for table in (order_facts, product_facts):
        removed += await connection.value(
            text(
                f"""
                WITH gone AS (
                    DELETE FROM {table.name}
                    WHERE generation < (SELECT generation FROM projection_state WHERE state = 'ACTIVE')
                    RETURNING generation
                )
                SELECT count(*) FROM gone
                """
            )
        )
    await connection.execute(text("UPDATE projection_state SET state = 'REMOVED' WHERE state = 'RETIRED'"))
    return removed


@asynccontextmanager
async def rebuilding_alone(database: Database) -> AsyncIterator[bool]:
    """Whether this process is the one that may rebuild now.

    The lock belongs to a connection: PostgreSQL frees it at once when its holder is killed.
    """
    async with database.reading() as connection:
        lock = "hashtext('analytics.rebuild')"
        mine = bool(await connection.value(text(f"SELECT pg_try_advisory_lock({lock})")))
        try:
            yield mine
        finally:
            if mine:
                await connection.execute(text(f"SELECT pg_advisory_unlock({lock})"))


_ACTIVE = "generation = (SELECT generation FROM projection_state WHERE state = 'ACTIVE')"


async def orders_by_state(connection: Connection) -> list[dict[str, Any]]:
    """state, orders. An order counts from its first event of orders' own topic."""
    return await _rows(
        connection,
        f"""
        SELECT order_state AS state, count(*) AS orders FROM order_facts
        WHERE {_ACTIVE} AND order_state IS NOT NULL
        GROUP BY order_state ORDER BY order_state
        """,
    )


async def revenue(connection: Connection) -> list[dict[str, Any]]:
    """currency, confirmed_orders, revenue_minor, refunds, refunded_minor."""
    return await _rows(
        connection,
        f"""
        SELECT currency,
               count(*) FILTER (WHERE order_state = 'CONFIRMED') AS confirmed_orders,
               CAST(coalesce(sum(total_minor) FILTER (WHERE order_state = 'CONFIRMED'), 0) AS bigint)
                   AS revenue_minor,
               count(refunded_minor) AS refunds,
               CAST(coalesce(sum(refunded_minor), 0) AS bigint) AS refunded_minor
        FROM order_facts WHERE {_ACTIVE} AND currency IS NOT NULL
        GROUP BY currency ORDER BY currency
        """,
    )


async def top_products(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """sku, name (None until its event has come), currency, quantity, revenue_minor; most sold first."""
    return await _rows(
        connection,
        f"""
        WITH sold AS (
            SELECT line.sku, f.currency, sum(line.quantity) AS quantity,
                   sum(line.quantity * line.unit_price_minor) AS revenue_minor
            FROM order_facts AS f
            CROSS JOIN jsonb_to_recordset(f.lines)
                AS line (sku text, quantity bigint, unit_price_minor bigint)
            WHERE f.{_ACTIVE} AND f.order_state = 'CONFIRMED'
            GROUP BY line.sku, f.currency
            ORDER BY quantity DESC, revenue_minor DESC, line.sku LIMIT :limit
        )
        SELECT sold.sku, p.name, sold.currency, CAST(sold.quantity AS bigint) AS quantity,
               CAST(sold.revenue_minor AS bigint) AS revenue_minor
        FROM sold LEFT JOIN product_facts AS p ON p.sku = sold.sku AND p.{_ACTIVE}
        ORDER BY sold.quantity DESC, sold.revenue_minor DESC, sold.sku
        """,
        limit=limit,
    )


async def time_to_confirm(connection: Connection) -> dict[str, Any]:
    """orders, and p50, p90, p99 in seconds by the times in the events; None while nothing is confirmed."""
    (row,) = await _rows(
        connection,
        f"""
        WITH waited AS (
            SELECT CAST(extract(epoch FROM confirmed_at - placed_at) AS float8) AS seconds
            FROM order_facts WHERE {_ACTIVE} AND confirmed_at IS NOT NULL AND placed_at IS NOT NULL
        )
        SELECT count(*) AS orders,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
               percentile_cont(0.9) WITHIN GROUP (ORDER BY seconds) AS p90,
               percentile_cont(0.99) WITHIN GROUP (ORDER BY seconds) AS p99
        FROM waited
        """,
    )
    return row


async def funnel(connection: Connection) -> dict[str, int]:
    """How many orders came at least to each step; a step counts only those that took all steps before it."""
    (row,) = await _rows(
        connection,
        f"""
        SELECT count(*) AS placed,
               count(*) FILTER (WHERE num_nulls(reserved_at) = 0) AS reserved,
               count(*) FILTER (WHERE num_nulls(reserved_at, captured_at) = 0) AS captured,
               count(*) FILTER (WHERE num_nulls(reserved_at, captured_at, confirmed_at) = 0) AS confirmed,
               count(*) FILTER (WHERE num_nulls(reserved_at, captured_at, confirmed_at, notified_at) = 0)
                   AS notified
        FROM order_facts WHERE {_ACTIVE} AND placed_at IS NOT NULL
        """,
    )
    return row


async def _rows(connection: Connection, query: str, **values: object) -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.rows(text(query), values)]
