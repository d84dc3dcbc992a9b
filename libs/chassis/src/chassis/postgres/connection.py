"""A connection to PostgreSQL. SQLAlchemy compiles the statements, and asyncpg sends them.

SQLAlchemy does not run them, because its asynchronous engine needs four times the CPU of asyncpg's own calls, and the
transaction of an event has four or five statements (docs/decisions/0011).
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import asyncpg
from sqlalchemy import ClauseElement, TextClause
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from chassis.errors import DatabaseSilent, DatabaseUnavailable
from chassis.postgres.deadlines import (
    CONNECT_SECONDS,
    STATEMENT_SECONDS,
    client_deadline,
    server_deadlines,
)

T = TypeVar("T")

if TYPE_CHECKING:
    Driver: TypeAlias = asyncpg.Connection[Any]
else:  # asyncpg's class has no type parameters
    Driver = asyncpg.Connection

Password: TypeAlias = Callable[[], str]
"""Reads the password of a login. It may have another result each time, and raises OSError if there is none."""

CHANGED_SECONDS = 0.5
"""The pause before a refused login is repeated: its password may be changed at this moment."""

_DIALECT: Any = PGDialect_asyncpg()  # type: ignore[no-untyped-call]


class Row(asyncpg.Record):
    """A row of a result: `row.name`, `row["name"]` or `dict(row)`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Connection:
    """Runs SQLAlchemy's statements, with values by parameter name. A value of a `jsonb` column is
    read as a Python value. To write one, pass it as JSON text.
    """

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    async def execute(self, statement: ClauseElement, values: Mapping[str, Any] | None = None) -> None:
        """Run a statement for its effect."""
        await self.rows(statement, values)

    async def rows(self, statement: ClauseElement, values: Mapping[str, Any] | None = None) -> list[Row]:
        """All rows of the result. Raises DatabaseSilent if the server does not answer in time."""
        query, arguments = compiled(statement, values or {})
        return await raising_database_silent(self.driver.fetch(query, *arguments))

    async def row(self, statement: ClauseElement, values: Mapping[str, Any] | None = None) -> Row | None:
        """The first row, or None."""
        return next(iter(await self.rows(statement, values)), None)

    async def value(self, statement: ClauseElement, values: Mapping[str, Any] | None = None) -> Any:
        """The first column of the first row, or None."""
        row = await self.row(statement, values)
        return None if row is None else row[0]


async def raising_database_silent(call: Awaitable[T]) -> T:
    """Await calls of asyncpg. Each call has the deadline that `connect` gave to its connection.

    Raises DatabaseSilent when a deadline passes.
    """
    try:
        return await call
    except TimeoutError as error:
        raise DatabaseSilent("PostgreSQL did not answer in time") from error


async def connect(
    url: str,
    statement_seconds: float = STATEMENT_SECONDS,
    server_settings: Mapping[str, str] | None = None,
    password: Password | None = None,
) -> Driver:
    """Open a connection. Each of its statements ends within `statement_seconds` plus one second.

    `url` is postgresql://user:password@host:port/database. `server_settings` are set in addition to the deadlines.
    `password` gives the password instead of the URL. If it is refused, it is read once more: it may have changed.
    Raises DatabaseUnavailable if the server cannot be reached, does not answer within CONNECT_SECONDS, or if its
    password cannot be read. Raises PostgresError if the server refuses.
    """
    opened: Driver | None = None
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            opened = await _log_in(
                url,
                password,
                record_class=Row,
                max_cached_statement_lifetime=0,
                command_timeout=client_deadline(statement_seconds),
                server_settings=server_deadlines(statement_seconds) | dict(server_settings or {}),
            )
            # The statements pass JSON as text.
            await opened.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=json.loads)
    except BaseException as error:
        if opened is not None:
            opened.terminate()
        if isinstance(error, OSError | TimeoutError):
            raise DatabaseUnavailable(f"PostgreSQL cannot be reached: {error!r}") from error
        raise
    return opened


async def _log_in(url: str, password: Password | None, **options: Any) -> Driver:
    opened: Driver
    try:
        opened = await asyncpg.connect(url, password=password, **options)
    except asyncpg.InvalidPasswordError:
        if password is None:
            raise
        await asyncio.sleep(CHANGED_SECONDS)
        opened = await asyncpg.connect(url, password=password, **options)
    return opened


def compiled(statement: ClauseElement, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The statement in PostgreSQL's form, and the values of $1, $2, … Raises KeyError if a value is missing."""
    if isinstance(statement, TextClause):
        query, names, _ = _compile_text_once(statement)
    else:
        query, names, values = _compile(statement)
    return query, [values[name] for name in names]


def _compile(statement: ClauseElement) -> tuple[str, list[str], Mapping[str, Any]]:
    found: Any = statement.compile(dialect=_DIALECT)
    return found.string, found.positiontup or [], found.params


_compile_text_once = lru_cache(maxsize=1_000)(_compile)
