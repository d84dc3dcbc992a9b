"""Runs a blocking function in a thread that the end of the process does not wait for.

`asyncio.to_thread` uses the loop's executor. The end of the loop waits for its threads, and the lookup of a name in the
DNS may take many seconds.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def in_daemon_thread(function: Callable[[], T]) -> T:
    """Call `function` in a thread of its own. Returns its result, or raises its exception.

    If the caller is cancelled, the function goes on, and its outcome is dropped.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def finish(value: T | None, error: Exception | None) -> None:
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(value)  # type: ignore[arg-type]  # T may be Optional itself

    def call() -> None:
        try:
            ended = partial(finish, function(), None)
        except Exception as error:
            ended = partial(finish, None, error)
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(ended)

    threading.Thread(target=call, name="daemon", daemon=True).start()
    return await outcome
