"""Pauses between retries: `Backoff` has the formula. `wait_for_event` waits for an event or a time limit."""

import asyncio
import contextlib
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that double from `first` to `longest` seconds. Each is shortened at random, by up to a half.

    Because of the random part, many processes do not try again at the same moment.
    """

    first: float = 0.2
    longest: float = 5.0

    def pause(self, failures: int) -> float:
        """Seconds to wait after `failures` failures in a row, 1 or more."""
        doubled = self.first * 2.0 ** min(failures - 1, 30)
        return random.uniform(0.5, 1.0) * min(self.longest, doubled)


async def wait_for_event(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, or until `seconds` have passed.

    `asyncio.wait_for` is not used here: before Python 3.12 it may swallow a cancellation.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
