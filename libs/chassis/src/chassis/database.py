"""The service's database: a pool of connections, and transactions that publish.

A transaction is opened visibly at the edge (an endpoint, the inbox, a job) and committed before the answer leaves.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, cast
from uuid import UUID

import asyncpg
from aiokafka.errors import KafkaConnectionError
from fastapi import Depends, Request

from chassis import outbox, telemetry
from chassis.connection import CONNECT_SECONDS, Connection, Row, pool
from chassis.envelope import Cause, PublishedEvent
from chassis.outbox import OutboxRow

Write = Callable[[Connection, Sequence[Any]], Awaitable[None]]


class Unavailable(Exception):
    """Something outside (a database, another company's service) is away. Not the message's fault: wait, try again."""


class Transaction:
    """One database transaction with what it is going to publish."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.rows: list[OutboxRow] = []
        self.wakes: set[str] = set()
        self.spans: list[telemetry.AnySpan] = []
        self.answer = outbox.NO_ANSWER
        self._collected: defaultdict[Write, list[Any]] = defaultdict(list)

    def publish(self, event: PublishedEvent, *, cause: Cause) -> UUID:
        """Publish an event if and when this transaction commits; returns the event's id."""
        row = outbox.row_of(event, cause)
        self.rows.append(row)
        return row.event_id

    def collect(self, write: Write, rows: Iterable[Any]) -> None:
        """Have `write(connection, all rows collected for it)` called once, before the commit.

        For handlers that write into one table: however many calls a batch makes, it is one statement.
        """
        self._collected[write].extend(rows)

    async def finish(self) -> None:
        """Write what was collected, then what is to be published: the last statements of the transaction."""
        for write, rows in self._collected.items():
            await write(self.connection, rows)
        await outbox.write(self.connection, self.rows, self.answer)

    def wake(self, job: str) -> None:
        """After the commit, run this process's job of that name without waiting for its interval."""
        self.wakes.add(job)


class Database:
    """Connections to one PostgreSQL database.

    `url` is postgresql://user:password@host:port/database. `on_commit` is called after each commit of a transaction,
    with the transaction.
    """

    def __init__(self, url: str, pool_size: int = 8) -> None:
        self.on_commit: Callable[[Transaction], None] = lambda tx: None
        self._url, self._size = url, pool_size
        self._pool: asyncpg.Pool[Row] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that commits on leaving the block, and rolls back on an error."""
        async with self.reading() as connection:
            tx = Transaction(connection)
            with telemetry.ending(tx.spans):
                async with connection.driver.transaction():
                    yield tx
                    await tx.finish()
        self.on_commit(tx)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """A connection for plain reads, each statement on its own."""
        if self._pool is None:  # not before there is a loop
            self._pool = pool(self._url, self._size)
        async with (await self._pool).acquire(timeout=CONNECT_SECONDS) as driver:
            yield Connection(driver)

    async def close(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None


AWAY = (Unavailable, OSError, TimeoutError, asyncpg.InterfaceError, KafkaConnectionError)
TRY_AGAIN = ("08", "25006", "40", "53", "57P", "58")
"""SQLSTATEs by their beginning: connection, a standby, serialization, deadlock, disk or memory full, shutdown, I/O."""


def is_unavailable(error: BaseException) -> bool:
    """Whether an error says that a dependency is away, or that PostgreSQL asks to try again later.

    What is left is the fault of the input or of the code.
    """
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(TRY_AGAIN)
    # asyncpg's word for a value that fits no parameter is an InterfaceError too.
    return isinstance(error, AWAY) and not isinstance(error, ValueError)


async def _database(request: Request) -> Database:
    return cast(Database, request.app.state.database)


Db = Annotated[Database, Depends(_database)]
