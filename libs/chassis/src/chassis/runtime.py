"""Starts the background tasks of a process (consumer, relay, jobs) and stops them at its end.

At the end the consumer finishes its batch. The relay and the jobs are cancelled: rows that are not sent stay in the
outbox.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from chassis.jobs import Jobs
from chassis.kafka import Consumer
from chassis.local import LocalReader, ReaderNotifier, wake_readers
from chassis.observability import tracing
from chassis.observability.status import TaskStatus
from chassis.outbox import BusinessMetrics, Database, Relay, Transaction
from chassis.outbox.notify import RelayNotifier
from chassis.supervisor import Task, cancel_and_wait, supervise

log = structlog.get_logger()

DRAIN_SECONDS = 4.0
"""Time limit at shutdown: first for HTTP requests in progress, then again for the batch of the consumer."""


class Resource(Protocol):
    """An object that the end of the process closes, such as a client of an outside system."""

    async def close(self) -> None:
        """Close it. No other part uses it any more."""


class Wakeups:
    """After a commit it wakes jobs, this process's relay and the relays of other processes, and counts the events.

    With `shares_database` it also wakes the readers of the other modules in the database, in each process.
    """

    def __init__(
        self, relay: Relay, jobs: Jobs, business: BusinessMetrics, *, shares_database: bool = False
    ) -> None:
        self.notifier = RelayNotifier()
        self.reader_notifier = ReaderNotifier()
        self._business = business
        self._relay = relay
        self._jobs = jobs
        self._shares_database = shares_database

    def on_commit(self, tx: Transaction) -> None:
        """Wake the jobs that the transaction asked for and the relays of its shards, and count its events."""
        for name in tx.wakes & self._jobs.keys():
            self._jobs[name].wake_event.set()
        if unknown := tx.wakes - self._jobs.keys():  # no exception: the transaction is committed already
            log.error("job.unknown", jobs=sorted(unknown))
        shards = {row.shard for row in tx.rows}
        if shards:
            self._relay.wake(shards)
            self.notifier.add(shards - set(self._relay.shards))
            self._business.count_committed(tx.rows)
            if self._shares_database:
                self.reader_notifier.add(wake_readers(row.topic for row in tx.rows))


@dataclass(frozen=True, slots=True)
class Runtime:
    """The background tasks, connections and resources of one process.

    `tasks` has each task by its name in the log. At shutdown the HTTP server has answered its requests before the
    consumer ends. Then the tasks are cancelled, and `resources` and `databases` are closed.
    """

    consumer: Consumer | None
    tasks: Mapping[str, Task]
    resources: Sequence[Resource]
    databases: Sequence[Database]
    statuses: Mapping[str, TaskStatus] = field(default_factory=dict)
    """The status of each task that `/readyz` shows, by the task's name."""
    reader: LocalReader | None = None
    """Reads the topics that are in the database. It ends as the consumer does."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run all tasks while the block runs, and stop them after it.

        The consumer has up to DRAIN_SECONDS to finish its batch, commit its offsets and leave its group. A static
        member (KAFKA_GROUP_INSTANCE_ID) stays in its group. The reader of topics in the database has the same time.
        Then all tasks are cancelled, `resources` are closed in their order, `databases` are closed, and the last spans
        are sent.
        """
        tasks = {
            asyncio.create_task(supervise(name, task, status=self.statuses.get(name)))
            for name, task in self.tasks.items()
        }
        consuming = self._start_consuming()
        try:
            yield
        finally:
            if self.consumer is not None:
                self.consumer.stopping.set()
            if self.reader is not None:
                self.reader.stop()
            if consuming:
                await asyncio.wait(consuming, timeout=DRAIN_SECONDS)
            await cancel_and_wait(*tasks, *consuming)
            for resource in self.resources:
                await resource.close()
            await asyncio.gather(*(database.close() for database in self.databases))
            await asyncio.to_thread(tracing.end_tracing)

    def _start_consuming(self) -> set[asyncio.Task[None]]:
        """Start the tasks that pass messages to the inbox."""
        consuming: set[asyncio.Task[None]] = set()
        if self.consumer is not None:
            is_done = self.consumer.stopping.is_set
            status = self.consumer.assignment.status
            consuming.add(asyncio.create_task(supervise("consumer", self.consumer.run, is_done, status)))
        if self.reader is not None:
            is_done = self.reader.stopping.is_set
            consuming.add(
                asyncio.create_task(supervise("reader", self.reader.run, is_done, self.reader.status))
            )
        return consuming
