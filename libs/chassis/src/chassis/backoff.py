"""Pauses between tries: the chassis' only formula, and the only way to wait for an event or a time."""

import asyncio
import contextlib
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that double from `first` seconds up to `longest` seconds, each shortened by up to a half at random.

    The random part keeps many processes from trying again at the same moment.
    """

    first: float = 0.2
    longest: float = 5.0

    def pause(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row; `failures` begins with 1."""
        doubled = self.first * 2.0 ** min(failures - 1, 30)
        return random.uniform(0.5, 1.0) * min(self.longest, doubled)


async def wait_for_event(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, or until `seconds` have passed.

    `asyncio.wait_for` is not used here: before Python 3.12 it may swallow a cancellation.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
