"""The database of requests that start sagas: each of its transactions is a whole saga."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from chassis.observability import tracing
from chassis.observability.tracing import MessageSpan
from chassis.outbox import Database, Transaction
from chassis.single.participants import PARTICIPANTS
from chassis.single.saga import Saga


class SagaDatabase(Database):
    """A database whose transactions hand their events on before they commit. A transaction that publishes nothing is
    as in any other database.

    `starter` is the name of the module, which has to take part. All other arguments are those of `Database`.
    """

    def __init__(self, starter: str, **pool: Any) -> None:
        super().__init__(**pool)
        self._starter = starter

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that carries the saga out and commits on leaving the block, and rolls back on an error.

        Raises what `Database.transaction` and `Saga.run` raise.
        """
        spans: list[MessageSpan] = []
        with tracing.ended_together(spans):
            async with super().transaction() as tx:
                saga = Saga(PARTICIPANTS[self._starter], tx, spans)
                yield tx
                await saga.run()
        saga.committed()
