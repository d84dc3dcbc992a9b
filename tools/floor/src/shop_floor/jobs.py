"""Work that outlasts a request: what a person has started, and what several pages want to know at the same time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from shop_stack.errors import UserError

Tell = Callable[[str], None]
"""Takes the step that begins now."""
Work = Callable[[Tell], Awaitable[Any]]


class Job:
    """At most one piece of work at a time, with its step, and the result of the last one."""

    def __init__(self, what: str) -> None:
        self._what = what
        """What is done, for the sentence if it is started twice."""
        self._task: asyncio.Task[None] | None = None
        self._name = self._step = self._error = ""
        self._began = 0.0
        self._result: Any = None

    @property
    def is_running(self) -> bool:
        """Whether work goes on."""
        return self._task is not None and not self._task.done()

    def start(self, name: str, work: Work) -> None:
        """Begin, and return at once. Raises UserError if work of this kind goes on."""
        if self.is_running:
            raise UserError(f"{self._what} goes on already: wait until it has ended.")
        self._name, self._step, self._error, self._result = name, "", "", None
        self._began = time.monotonic()
        self._task = asyncio.create_task(self._run(work))

    async def _run(self, work: Work) -> None:
        try:
            self._result = await work(self._tell)
        except UserError as error:
            self._error = str(error)
        except Exception as error:  # a fault of this program must not be silent: the page says what it was
            self._error = f"The floor has a fault ({error!r})."[:300]

    def _tell(self, step: str) -> None:
        self._step = step

    def as_json(self) -> dict[str, Any]:
        """The state for the page. `result` and `error` are those of the work `name` after it has ended."""
        running = self.is_running
        return {
            "running": running,
            "name": self._name,
            "step": self._step if running else "",
            "seconds": round(time.monotonic() - self._began) if running else 0,
            "error": self._error,
            "result": self._result,
        }

    async def close(self) -> None:
        """End the work, and return when it has ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


class Readings:
    """Reads what takes seconds, one after the other. Pages that want the same share one reading.

    A reading ends when the last page that wants it has gone.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)
        self._reading: dict[str, asyncio.Task[Any]] = {}
        self._waiting: Counter[str] = Counter()
        """What is being read → the pages that wait for it."""

    async def of(self, what: str, read: Callable[[], Awaitable[Any]]) -> Any:
        """What `read` returns. If `what` is being read, that reading is waited for. Raises what `read` raises."""
        task = self._reading.get(what)
        if task is None:
            task = self._reading[what] = asyncio.create_task(self._read(read))
        self._waiting[what] += 1
        try:
            # Shielded: a browser that goes away must not end the reading of another one.
            return await asyncio.shield(task)
        finally:
            self._waiting[what] -= 1
            if not self._waiting[what]:
                del self._waiting[what], self._reading[what]
                task.cancel()

    async def _read(self, read: Callable[[], Awaitable[Any]]) -> Any:
        async with self._turn:
            return await read()

    async def close(self) -> None:
        """End all readings, and return when they have ended."""
        tasks = list(self._reading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
