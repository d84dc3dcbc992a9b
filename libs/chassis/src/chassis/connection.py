"""A connection to PostgreSQL: SQLAlchemy's statements, sent by asyncpg itself.

SQLAlchemy says what a statement is, and compiles it. It does not run it: its asynchronous engine takes four times the
CPU of asyncpg's own calls, and an event is little else than four statements (docs/decisions/0011).
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
# JIT costs more than it gains on statements this short. So does planning them anew for each batch, which PostgreSQL
# would choose for most of them: it also reads the dead ends of their indexes each time, and grows with the tables.
# A plan that is made while a table is empty would read the whole of it, and go on doing so until somebody analyzes it.
SERVER_SETTINGS = {"jit": "off", "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}

_DIALECT: Any = PGDialect_asyncpg()  # type: ignore[no-untyped-call]


class Row(asyncpg.Record):
    """A row of a result: `row.name`, `row["name"]`, `dict(row)`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Connection:
    """Statements of SQLAlchemy, with values for their parameters by name. JSON columns come as what they hold."""

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
        return (await self.row(statement, values) or (None,))[0]


def pool(url: str, size: int) -> "asyncpg.Pool[Row]":
    """A pool that connects when somebody asks; awaiting it is still to be done, in the loop that it belongs to."""
    return asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        max_inactive_connection_lifetime=0,
        init=_read_json,
        reset=_leave_transaction,
        timeout=CONNECT_SECONDS,
        record_class=Row,
        max_cached_statement_lifetime=0,
        server_settings=SERVER_SETTINGS,
    )


async def _read_json(driver: Any) -> None:
    # Written JSON is text already, as the statements have it.
    await driver.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=json.loads)


async def _leave_transaction(driver: Any) -> None:
    # asyncpg's own way asks the server each time. A connection keeps no state here but a transaction that was cut off.
    if driver.is_in_transaction():
        await driver.reset()


def compiled(statement: ClauseElement, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The statement as PostgreSQL takes it, and the values of $1, $2, …. Raises KeyError for one that has none."""
    if isinstance(statement, TextClause):
        query, names, _ = _text(statement)
    else:
        query, names, values = _compile(statement)
    return query, [values[name] for name in names]


def _compile(statement: ClauseElement) -> tuple[str, list[str], Mapping[str, Any]]:
    found: Any = statement.compile(dialect=_DIALECT)
    return found.string, found.positiontup or [], found.params


# Texts are made once; what is put together for each call is compiled each time.
_text = lru_cache(maxsize=1_000)(_compile)
