"""A job: a piece of work that is repeated."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from chassis.backoff import wait_for_event
from chassis.observability import metrics
from chassis.outbox import Database


@dataclass(slots=True)
class Job:
    """`run(database)` does a piece of work and returns how many items it did.

    If a run did `full_batch` items or more, the job runs again at once, because there may be more. If it did fewer, or
    `full_batch` is None, the next run is after `interval` seconds, or when a transaction with `tx.wake(name)` commits
    in this process (`wake_event`).

    Several replicas may run it at the same time, so it must lock the rows that it works on.
    """

    run: Callable[[Database], Awaitable[int]]
    interval: float
    full_batch: int | None = 1
    wake_event: asyncio.Event = field(default_factory=asyncio.Event)


Jobs = Mapping[str, Job]
"""A service's jobs by their names."""


async def run_job(name: str, job: Job, database: Database) -> None:
    """Run a job until cancelled. Errors of the job are raised."""
    while True:
        job.wake_event.clear()
        done = await job.run(database)
        metrics.JOB_ITEMS_DONE.labels(name).inc(done)
        if job.full_batch is None or done < job.full_batch:
            await wait_for_event(job.wake_event, job.interval)
