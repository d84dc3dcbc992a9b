"""The part of a process beside HTTP: consumer, relay, jobs. It starts them, and drains them at the end."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from fastapi import FastAPI

from chassis.jobs import Jobs
from chassis.kafka import Consumer
from chassis.observability import tracing
from chassis.observability.status import TaskStatus
from chassis.outbox import Database, Relay, Transaction
from chassis.outbox.notify import RelayNotifier
from chassis.supervisor import Task, cancelled, supervise

log = structlog.get_logger()

DRAIN_SECONDS = 4.0
"""Seconds for the consumer to finish its batch at the end."""


class Resource(Protocol):
    """An object that the end of the process closes, such as a client of an outside system."""

    async def close(self) -> None:
        """Close it. No other part uses it any more."""


class Wakeups:
    """Wakes jobs, this process's relay and the relays of other processes after a commit."""

    def __init__(self, relay: Relay, jobs: Jobs) -> None:
        self.notifier = RelayNotifier()
        self._relay = relay
        self._jobs = jobs

    def on_commit(self, tx: Transaction) -> None:
        """Wake the jobs that the transaction asked for, and the relays of the shards that it wrote to."""
        for name in tx.wakes & self._jobs.keys():
            self._jobs[name].wake_event.set()
        if unknown := tx.wakes - self._jobs.keys():  # no exception: the transaction is committed already
            log.error("job.unknown", jobs=sorted(unknown))
        shards = {row.shard for row in tx.rows}
        if shards:
            self._relay.wake(shards)
            self.notifier.add(shards - set(self._relay.shards))


@dataclass(frozen=True, slots=True)
class Runtime:
    """The tasks, connections and resources of one process beside HTTP.

    `tasks` has each task by its name in the log. The consumer ends first, then the tasks end, then `resources` and
    `databases` are closed.
    """

    consumer: Consumer | None
    tasks: Mapping[str, Task]
    resources: Sequence[Resource]
    databases: Sequence[Database]
    statuses: Mapping[str, TaskStatus] = field(default_factory=dict)
    """The status of each task that `/readyz` shows, by the task's name."""

    @asynccontextmanager
    async def running(self, app: FastAPI) -> AsyncIterator[None]:
        """Run everything in the block, and drain at its end."""
        tasks = {
            asyncio.create_task(supervise(name, task, status=self.statuses.get(name)))
            for name, task in self.tasks.items()
        }
        consuming: set[asyncio.Task[None]] = set()
        if self.consumer is not None:
            is_done = self.consumer.stopping.is_set
            consuming.add(
                asyncio.create_task(
                    supervise("consumer", self.consumer.run, is_done, self.consumer.assignment.status)
                )
            )
        try:
            yield
        finally:
            if self.consumer is not None:
                self.consumer.stopping.set()
                await asyncio.wait(consuming, timeout=DRAIN_SECONDS)
            await cancelled(*tasks, *consuming)
            for resource in self.resources:
                await resource.close()
            await asyncio.gather(*(database.close() for database in self.databases))
            await asyncio.to_thread(tracing.end_tracing)
