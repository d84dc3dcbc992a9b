"""Work of a process that stops before each of its transactions, until the scheduler lets it go on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from enum import StrEnum
from typing import Any

from chassis.errors import Unavailable


class Fate(StrEnum):
    """What happens to the process of a transaction."""

    LIVES = ""
    DIES_BEFORE = "dies-before-commit"
    DIES_AFTER = "dies-after-commit"
    """The transaction is committed, and then the process ends: no offset is committed, and no request is answered."""


class ProcessDied(Unavailable):
    """The process died. Like an unavailable dependency, it makes no event a dead letter."""


class Work:
    """One request, one batch of messages, or one run of a job."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self._task: asyncio.Task[Any] | None = None
        self._fate: Fate | None = None
        self._stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._continued: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.has_died = False

    async def step(self, fate: Fate) -> bool:
        """Run until after the next transaction, whose fate is given. Returns whether the work has ended.

        Raises the error of the work, and ProcessDied if the process has died. Then call `cancel`.
        """
        self._fate = fate
        self._stopped = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._coroutine)
        else:
            self._continued.set_result(None)
        await asyncio.wait([self._task, self._stopped], return_when=asyncio.FIRST_COMPLETED)
        if self.has_died:
            raise ProcessDied
        if not self._task.done():
            return False
        self._task.result()
        return True

    def die(self) -> None:
        """Note that the process of this work has died. The work may still try to go on, until it is cancelled."""
        self.has_died = True
        self._stopped.set_result(None)

    async def turn(self) -> Fate:
        """Wait for the scheduler before a transaction. Returns the fate of the transaction.

        Raises ProcessDied if the process has died.
        """
        if self.has_died:
            raise ProcessDied
        if self._fate is None:
            self._continued = asyncio.get_running_loop().create_future()
            self._stopped.set_result(None)
            await self._continued
        fate, self._fate = self._fate, None
        assert fate is not None
        return fate

    async def cancel(self) -> None:
        """End the work without letting it go on."""
        if self._task is None:
            self._coroutine.close()
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
