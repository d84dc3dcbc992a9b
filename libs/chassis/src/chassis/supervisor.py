"""Background tasks. A task that ends or fails is started again, until it is stopped."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from chassis.backoff import Backoff
from chassis.errors import UNKNOWN, dependency_of, is_unavailable, reason_of
from chassis.observability.outages import OUTAGES
from chassis.observability.status import TaskStatus

log = structlog.get_logger()

RESTARTS = Backoff()
STABLE_SECONDS = 10.0
"""After a run that was longer than this, a failure counts as the first one."""

Task = Callable[[], Awaitable[None]]


def never() -> bool:
    """Never done: the task runs until it is cancelled."""
    return False


async def supervise(
    name: str, task: Task, is_done: Callable[[], bool] = never, status: TaskStatus | None = None
) -> None:
    """Run `task` again and again, with a pause after each error, until `is_done()` or until cancelled.

    `name` is the task's name in the log. `status` shows the dependency for which the task waits, or the error. The log
    depends on the error:
    - A fault of a known dependency is part of an outage (`outage.began`, see `Outages`).
    - A fault of an unknown dependency, such as a deadlock, is `task.restarting`.
    - Any other error is `task.failed`, with the traceback.

    In each case the task starts again. The log line `task.tries_again` comes from `Outages.failed`: that task goes on
    running.
    """
    failures = 0
    status = status or TaskStatus()
    loop = asyncio.get_running_loop()
    while not is_done():
        started = loop.time()
        try:
            await task()
        except Exception as error:
            if loop.time() - started > STABLE_SECONDS:
                failures = 0
            failures += 1
            pause = RESTARTS.pause(failures)
            if is_unavailable(error):
                dependency = dependency_of(error)
                if dependency == UNKNOWN:
                    log.warning("task.restarting", task=name, error=repr(error), retry_in=round(pause, 2))
                else:
                    OUTAGES.failed(dependency, name, error)
                status.set(f"waits for {dependency}: {reason_of(error)}")
            else:
                log.error("task.failed", task=name, retry_in=round(pause, 2), exc_info=error)
                status.set(f"failed: {type(error).__name__}")
            await asyncio.sleep(pause)


async def cancel_and_wait(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks, and return when they have ended. A task that has not ended after 1 s is cancelled again."""
    # More than once: before Python 3.12, wait_for swallows a cancellation that comes together with its result.
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1)
