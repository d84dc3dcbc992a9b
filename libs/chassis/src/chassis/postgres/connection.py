"""A connection to PostgreSQL: statements are SQLAlchemy's, asyncpg sends them.

SQLAlchemy compiles a statement and does not run it. Its asynchronous engine takes four times the CPU of asyncpg's own
calls, and an event costs four statements (docs/decisions/0011).
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from sqlalchemy import ClauseElement, TextClause
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

Driver: TypeAlias = "asyncpg.Connection[Any] | PoolConnectionProxy[Any]"

CONNECT_SECONDS = 3.0
"""How long a new connection, or a free one of the pool, is waited for."""

_DIALECT: Any = PGDialect_asyncpg()  # type: ignore[no-untyped-call]


class Row(asyncpg.Record):
    """A row of a result: `row.name`, `row["name"]` or `dict(row)`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Connection:
    """Runs SQLAlchemy's statements, with their parameters' values by name. A JSON column comes as a Python value."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    async def execute(self, statement: ClauseElement, values: Mapping[str, Any] | None = None) -> None:
        """Run a statement for its effect."""
        await self.rows(statement, values)

    async def rows(self, statement: ClauseElement, values: Mapping[str, Any] | None = None) -> list[Row]:
        """All rows of the result."""
        query, arguments = compiled(statement, values or {})
        return await self.driver.fetch(query, *arguments)

    async def row(self, statement: ClauseElement, values: Mapping[str, Any] | None = None) -> Row | None:
        """The first row, or None."""
        return next(iter(await self.rows(statement, values)), None)

    async def value(self, statement: ClauseElement, values: Mapping[str, Any] | None = None) -> Any:
        """The first column of the first row, or None."""
        row = await self.row(statement, values)
        return None if row is None else row[0]


def create_pool(url: str, size: int, server_settings: Mapping[str, str] | None = None) -> "asyncpg.Pool[Row]":
    """A pool of at most `size` connections, each opened when it is first needed. Await the pool in its own loop.

    `url` is postgresql://user:password@host:port/database; `server_settings` are set on each connection.
    """
    return asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        max_inactive_connection_lifetime=0,
        init=_set_up_json,
        reset=_end_open_transaction,
        timeout=CONNECT_SECONDS,
        record_class=Row,
        max_cached_statement_lifetime=0,
        server_settings=dict(server_settings or {}),
    )


async def _set_up_json(driver: Any) -> None:
    # JSON is written as text, as the statements have it.
    await driver.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=json.loads)


async def _end_open_transaction(driver: Any) -> None:
    # asyncpg's default asks the server after each use. A connection here keeps no state but an interrupted transaction.
    if driver.is_in_transaction():
        await driver.reset()


def compiled(statement: ClauseElement, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The statement as PostgreSQL takes it, and the values of $1, $2, … Raises KeyError for a value that is missing."""
    if isinstance(statement, TextClause):
        query, names, _ = _compile_text_once(statement)
    else:
        query, names, values = _compile(statement)
    return query, [values[name] for name in names]


def _compile(statement: ClauseElement) -> tuple[str, list[str], Mapping[str, Any]]:
    found: Any = statement.compile(dialect=_DIALECT)
    return found.string, found.positiontup or [], found.params


_compile_text_once = lru_cache(maxsize=1_000)(_compile)
