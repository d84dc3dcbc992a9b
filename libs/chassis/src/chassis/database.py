"""The service's database: one engine, and transactions that publish.

A transaction is opened visibly at the edge (an endpoint, the inbox, a job) and committed before the answer leaves.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar, cast
from uuid import UUID

import asyncpg
from fastapi import Depends, Request
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from chassis import outbox
from chassis.envelope import Cause, PublishedEvent
from chassis.outbox import OutboxRow

CONNECT_SECONDS = 3.0
# JIT costs more than it gains on statements this short.
SERVER_SETTINGS = {"jit": "off"}


Row = TypeVar("Row")
Write = Callable[[AsyncConnection, Sequence[Row]], Awaitable[None]]


class Unavailable(Exception):
    """Something outside (a database, another company's service) is away. Not the message's fault: wait, try again."""


class Transaction:
    """One database transaction with what it is going to publish."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.rows: list[OutboxRow] = []
        self.pending: list[PublishedEvent] = []
        self.wakes: set[str] = set()
        self._collected: defaultdict[Write[Any], list[Any]] = defaultdict(list)

    def publish(self, event: PublishedEvent, *, cause: Cause) -> UUID:
        """Publish an event if and when this transaction commits; returns the event's id."""
        row = outbox.row_of(event, cause)
        self.rows.append(row)
        self.pending.append(event)
        return row.event_id

    def collect(self, write: Write[Any], rows: Iterable[Any]) -> None:
        """Have `write(connection, all rows collected for it)` called once, before the commit.

        For handlers that write into one table: however many calls a batch makes, it is one statement.
        """
        self._collected[write].extend(rows)

    async def finish(self) -> None:
        """Write what was collected, then what is to be published: the last statements of the transaction."""
        for write, rows in self._collected.items():
            await write(self.connection, rows)
        self._collected.clear()
        await outbox.write(self.connection, self.rows)

    def wake(self, job: str) -> None:
        """After the commit, run this process's job of that name without waiting for its interval."""
        self.wakes.add(job)


class Database:
    """Connections to one PostgreSQL database.

    `url` is postgresql://user:password@host:port/database. `on_commit` is called after each commit of a transaction,
    with the transaction.
    """

    def __init__(self, url: str, pool_size: int = 8) -> None:
        self.engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=CONNECT_SECONDS,
            connect_args={"timeout": CONNECT_SECONDS, "server_settings": SERVER_SETTINGS},
        )
        self.on_commit: Callable[[Transaction], None] = lambda tx: None
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that commits on leaving the block, and rolls back on an error."""
        async with self.engine.begin() as connection:
            tx = Transaction(connection)
            yield tx
            await tx.finish()
        self.on_commit(tx)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for plain reads, each statement on its own."""
        async with self._autocommit.connect() as connection:
            yield connection

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


AWAY = (
    Unavailable,
    PoolTimeout,
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InterfaceError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
)
TRY_AGAIN = ("08", "25006", "40", "53", "57P", "58")
"""SQLSTATEs by their beginning: connection, a standby, serialization, deadlock, disk or memory full, shutdown, I/O."""


def is_unavailable(error: BaseException) -> bool:
    """Whether an error says that a dependency is away, or that PostgreSQL asks to try again later.

    What is left is the fault of the input or of the code.
    """
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", ""))
        away = error.connection_invalidated or isinstance(error, InterfaceError)
        return away or isinstance(error.orig, OSError) or state.startswith(TRY_AGAIN)
    return isinstance(error, AWAY)


async def _database(request: Request) -> Database:
    return cast(Database, request.app.state.database)


Db = Annotated[Database, Depends(_database)]
