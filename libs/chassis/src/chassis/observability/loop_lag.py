"""Measures how late the event loop runs a timer, because other callbacks or a stop of the process held it."""

import asyncio

from chassis.observability import metrics

TICK_SECONDS = 1.0


async def measure_loop_lag() -> None:
    """Measure once a second until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + TICK_SECONDS
        await asyncio.sleep(TICK_SECONDS)
        metrics.LOOP_LAG.observe(max(0.0, loop.time() - due))
