"""The service's database, and transactions that publish.

A transaction is opened visibly at the edge (an endpoint, the inbox, a job) and committed before the answer leaves.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from chassis.events import Cause, PublishedEvent
from chassis.observability.tracing import current_traceparent
from chassis.outbox import rows as outbox_rows
from chassis.outbox.rows import OutboxRow
from chassis.postgres import CONNECT_SECONDS, Connection, Row, create_pool


class Transaction:
    """One database transaction, and the events that it is going to publish."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.rows: list[OutboxRow] = []
        self.wakes: set[str] = set()

    def publish(self, event: PublishedEvent, *, cause: Cause) -> UUID:
        """Publish an event if and when this transaction commits. Returns the event's id.

        Raises ValueError if the event is too large for Kafka.
        """
        row = outbox_rows.row_of(event, cause)
        self.rows.append(row)
        return row.event_id

    def cause_of_request(self, correlation_id: str) -> Cause:
        """The cause of an event that a request or a clock brings about: it continues the span that is current."""
        return Cause(None, correlation_id, current_traceparent())

    def wake(self, job: str) -> None:
        """After the commit, run this process's job of that name without waiting for its interval."""
        self.wakes.add(job)


CommitListener = Callable[[Transaction], None]


def ignore_commit(tx: Transaction) -> None:
    """Nothing listens for commits."""


class Database:
    """Connections to one PostgreSQL database, each opened when it is first needed.

    `url` is postgresql://user:password@host:port/database. `on_commit` is called with each transaction after its
    commit. `server_settings` are set on each connection.
    """

    def __init__(
        self,
        url: str,
        pool_size: int = 8,
        on_commit: CommitListener = ignore_commit,
        server_settings: Mapping[str, str] | None = None,
    ) -> None:
        self._url = url
        self._pool_size = pool_size
        self._on_commit = on_commit
        self._server_settings = server_settings
        self._pool: asyncpg.Pool[Row] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that commits on leaving the block, and rolls back on an error.

        Its last statement writes the rows of what it publishes.
        """
        async with self.reading() as connection:
            tx = Transaction(connection)
            async with connection.driver.transaction():
                yield tx
                await outbox_rows.write(connection, tx.rows)
        self._on_commit(tx)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """A connection for reads, each statement on its own. Raises TimeoutError when none is free in time."""
        if self._pool is None:  # a pool belongs to a loop, and there was none before
            self._pool = create_pool(self._url, self._pool_size, self._server_settings)
        async with (await self._pool).acquire(timeout=CONNECT_SECONDS) as driver:
            yield Connection(driver)

    async def close(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None
