"""Background tasks: each runs again and again until it is stopped."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from chassis.backoff import Backoff
from chassis.errors import is_unavailable

log = structlog.get_logger()

RESTARTS = Backoff()
STABLE_SECONDS = 10.0
"""A task that ran for longer than this begins again with the shortest pause."""

Task = Callable[[], Awaitable[None]]


def never() -> bool:
    """The task goes on until it is cancelled."""
    return False


async def supervise(name: str, task: Task, is_done: Callable[[], bool] = never) -> None:
    """Run `task` again and again, with a pause after each error, until `is_done()` or until cancelled.

    `name` is the task's name in the log. Of a dependency that is away it logs `task.waiting`, of any other error
    `task.failed` with the traceback.
    """
    failures = 0
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
                log.warning("task.waiting", task=name, error=repr(error), retry_in=round(pause, 2))
            else:
                log.error("task.failed", task=name, retry_in=round(pause, 2), exc_info=error)
            await asyncio.sleep(pause)
