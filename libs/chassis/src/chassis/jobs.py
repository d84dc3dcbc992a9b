"""Jobs: what a service does by the clock, or when a transaction wakes it."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from chassis import telemetry
from chassis.database import Database, is_unavailable

log = structlog.get_logger()

LONGEST_PAUSE = 5.0

Work = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Job:
    """`run(database)` does a piece of work and returns how much it did. From `full` on there may be more, and it is
    called again at once; else when `tx.wake(name)` committed or `every` seconds have passed.

    Any replica may run it, so it must lock what it takes."""

    run: Callable[[Database], Awaitable[int]]
    every: float
    full: float = 1
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self, name: str, database: Database) -> None:
        """Work until cancelled. A dependency that is away makes it wait; an error is logged and it goes on."""
        while True:
            self.woken.clear()
            done = await self.run(database)
            telemetry.JOB_RUNS.labels(name).inc(done)
            if done < self.full:
                await wait(self.woken, self.every)


async def keep_going(name: str, work: Work, ended: Callable[[], bool] = lambda: False) -> None:
    """Run `work` again and again, with backoff and jitter after an error, until cancelled or it has `ended`."""
    failures = 0
    loop = asyncio.get_running_loop()
    while not ended():
        started = loop.time()
        try:
            await work()
        except Exception as error:
            failures = 1 if loop.time() - started > LONGEST_PAUSE * 2 else failures + 1
            if is_unavailable(error):
                log.warning("waits for a dependency", work=name, error=repr(error))
            else:
                log.error("failed, starts again", work=name, exc_info=error)
            await asyncio.sleep(pause(failures))


async def wait(woken: asyncio.Event, seconds: float) -> None:
    """Wait until woken, or for so long. Not by `wait_for`: before Python 3.12 it may swallow a cancellation."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await woken.wait()


def pause(failures: int) -> float:
    """Seconds to wait after so many failures in a row: from 0.2, twice as long each time, with jitter."""
    return random.uniform(0.5, 1.0) * min(LONGEST_PAUSE, 0.1 * 2.0 ** min(failures, 10))
