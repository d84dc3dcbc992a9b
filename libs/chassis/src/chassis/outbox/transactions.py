"""The service's database, and transactions that publish.

An endpoint, the inbox or a job opens and commits the transaction. An endpoint commits before it answers.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from chassis.errors import DatabaseUnavailable
from chassis.events import Cause, PublishedEvent
from chassis.observability.tracing import current_traceparent
from chassis.outbox import rows as outbox_rows
from chassis.outbox.rows import OutboxRow
from chassis.postgres import (
    STATEMENT_SECONDS,
    Connection,
    Driver,
    Password,
    Pool,
    breaks_connection,
    raising_database_silent,
)


class Transaction:
    """One database transaction, and the events that it is going to publish."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.rows: list[OutboxRow] = []
        self.wakes: set[str] = set()

    def publish(self, event: PublishedEvent, *, cause: Cause) -> UUID:
        """Publish an event if and when this transaction commits. Returns the event's id.

        The last statement of the transaction writes the row. Raises ValueError if the event or its subject is too large
        (see `rows.row_of`).
        """
        row = outbox_rows.row_of(event, cause)
        self.rows.append(row)
        return row.event_id

    def root_cause(self, correlation_id: str) -> Cause:
        """The `Cause` of an event that a request or a job publishes by itself. The event continues the current span."""
        return Cause(None, correlation_id, current_traceparent())

    def wake(self, job: str) -> None:
        """Run this process's job with this name after the commit, without waiting for its interval.

        A process that does not run jobs ignores it. Another process runs the job at its interval. A name that no job
        has is logged as an error (`job.unknown`).
        """
        self.wakes.add(job)


CommitListener = Callable[[Transaction], None]


def ignore_commit(tx: Transaction) -> None:
    """Ignore commits."""


class Database:
    """Connections to one PostgreSQL database, each opened when it is first needed.

    `url` is postgresql://user:password@host:port/database. `on_commit` is called with each transaction after its
    commit. `server_settings` are set on each connection. A statement takes at most `statement_seconds` plus one second.
    `password` is read at each login, and is used instead of the one in `url`.
    """

    def __init__(
        self,
        url: str,
        pool_size: int = 8,
        on_commit: CommitListener = ignore_commit,
        server_settings: Mapping[str, str] | None = None,
        statement_seconds: float = STATEMENT_SECONDS,
        password: Password | None = None,
    ) -> None:
        self._on_commit = on_commit
        self._pool = Pool(url, pool_size, statement_seconds, server_settings or {}, password)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that commits on leaving the block, and rolls back on an error.

        Its last statement writes the rows of the published events. Raises DatabaseUnavailable as `reading` does. If the
        commit is not answered in time, it raises DatabaseSilent. If the connection breaks during the commit, it raises
        another error that `is_unavailable` recognises. In both cases the outcome is not known.
        """
        async with self._pool.acquire() as driver:
            tx = Transaction(Connection(driver))
            block = driver.transaction()
            await raising_database_silent(block.start())
            try:
                yield tx
                await outbox_rows.write(tx.connection, tx.rows)
            except BaseException as error:
                if not breaks_connection(error):
                    await _roll_back(driver, block)
                raise
            await raising_database_silent(block.commit())
        self._on_commit(tx)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """A connection for reads. Each statement is a transaction of its own.

        Raises DatabaseUnavailable if no connection is free in time, or the server cannot be reached or does not answer.
        """
        async with self._pool.acquire() as driver:
            yield Connection(driver)

    async def check(self, seconds: float) -> None:
        """Raise DatabaseUnavailable unless the database answers within `seconds`.

        A busy pool passes the check: if all connections are in use and one of them was acquired or released within
        `BUSY_SECONDS`, the database counts as available.
        """
        pool = self._pool
        if pool.is_busy:
            return
        try:
            async with asyncio.timeout(seconds), pool.acquire() as driver:
                await driver.execute("SELECT 1")
        except TimeoutError as error:
            pool.drop_idle()
            raise DatabaseUnavailable(f"PostgreSQL did not answer within {seconds} s") from error

    def measure_connections(self, pool: str) -> None:
        """Measure the connections from now on. `pool` is the name in the metrics."""
        self._pool.measure_as(pool)

    def show_connections(self) -> None:
        """Set the gauges of the connections, if they are measured."""
        self._pool.show()

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()


async def _roll_back(driver: Driver, block: asyncpg.transaction.Transaction) -> None:
    # The caller raises the error that it has. A connection that cannot roll back is not used again.
    try:
        await block.rollback()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        driver.terminate()
