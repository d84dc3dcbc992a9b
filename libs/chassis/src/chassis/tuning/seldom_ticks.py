"""The HTTP servers of an idle process wake once a second.

Kind: speed. Without it the results are the same.
What it does: `main_loop` waits for the end of the server, and wakes once a second for uvicorn's own work, which is to
write the `Date` header anew.
Why: uvicorn looks ten times a second whether it should end. A process has two servers, one for each of its ports.
What it saves: an idle shop uses 7.4 to 8.3 % of a core without it, and 2 to 3 points less with it; measure again with
`TUNING_OFF=seldom_ticks shop bench --only idle`. Nothing at load.
Can be removed when: uvicorn waits for an event. Observed with uvicorn 0.54.
"""

import asyncio

import uvicorn

from chassis.backoff import wait_for_event

TICK_SECONDS = 1.0


def ticking_seldom(base: type[uvicorn.Server]) -> type[uvicorn.Server]:
    """A subclass of a uvicorn server whose main loop waits until the server should exit."""

    class SeldomTicks(base):  # type: ignore[misc, valid-type]
        _exits = False
        _loop: asyncio.AbstractEventLoop | None = None

        @property
        def should_exit(self) -> bool:
            """Whether the server ends. A handler of a signal may set it, so the loop is woken from outside."""
            return self._exits

        @should_exit.setter
        def should_exit(self, value: bool) -> None:
            self._exits = value
            if value and self._loop is not None:
                self._loop.call_soon_threadsafe(self._ends.set)

        async def main_loop(self) -> None:
            self._ends = asyncio.Event()
            self._loop = asyncio.get_running_loop()
            while not await self.on_tick(0):
                await wait_for_event(self._ends, TICK_SECONDS)

    return SeldomTicks
