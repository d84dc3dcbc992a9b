"""The business metrics of a service. Its module `metrics` makes one `BusinessMetrics` (docs/decisions/0053)."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from chassis.outbox.rows import OutboxRow
from chassis.postgres import Connection

log = structlog.get_logger()

ReadGauges = Callable[[Connection], Awaitable[Any]]
"""Sets gauges from the database. It is called for each scrape, so it is one cheap statement."""


async def read_none(connection: Connection) -> None:
    """Set no gauge."""


@dataclass(frozen=True, slots=True)
class BusinessMetrics:
    """The business metrics of a service.

    `count` maps an event type to the function that counts one event of it. It is called for each event that a
    transaction has published, after the commit. So handlers do not count, and a transaction that is rolled back or
    repeated is counted once or not at all. A process that is killed after a commit may leave its events uncounted.

    `read` sets gauges from the database. `queues` are the names of the service's `IntentQueue`s, and `dependencies`
    those of the outside systems that it calls.
    """

    count: Mapping[str, Callable[[OutboxRow], None]] = field(default_factory=dict)
    read: ReadGauges = read_none
    queues: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()

    def count_committed(self, rows: Iterable[OutboxRow]) -> None:
        """Count the events of a committed transaction. An error is logged, because the commit cannot be undone."""
        for row in rows:
            count = self.count.get(row.type)
            if count is not None:
                try:
                    count(row)
                except Exception as error:
                    log.error("event.not_counted", type=row.type, error=repr(error))
