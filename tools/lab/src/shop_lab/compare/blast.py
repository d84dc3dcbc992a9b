"""The blast radius: a fault in the event handlers of one service, and the orders that end all the same.

The process of the service is started with the fault, as after a bad deployment. One order makes it strike, and then
the orders arrive that count. A process that ends is started again, with the fault. Then it is killed and started
without the fault. The evidence of the oracle says which orders had ended before that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from shop_lab import trial
from shop_lab.compare import window
from shop_lab.compare.figures import BROKEN, FAULTS, fault_name
from shop_lab.compare.window import OPTIONS, Window
from shop_lab.testbed import Testbed
from shop_stack import admin, embedded
from shop_stack.errors import UserError
from shop_stack.stack import Stack

CHILD = Path(__file__).parent / "child"
"""The folder that a process with a fault has in its PYTHONPATH."""
STRUCK_SECONDS = 30.0
"""The longest time, in seconds, from an order to the first call of a broken handler."""
ENDING = frozenset({"leaks"})
"""The faults that end the process again and again."""
KEEPING_SECONDS = 0.2
"""Seconds between two looks at a process that may have ended."""


async def strike_all(testbed: Testbed, seconds: float, log: Callable[[str], None]) -> list[Window]:
    """Give each service of BROKEN each fault, one after the other. Raises UserError if a fault had no effect."""
    windows = []
    for service in BROKEN:
        for fault in FAULTS:
            log(f"{service} {fault}")
            windows.append(await strike(testbed, service, fault, seconds))
            await window.come_to_rest(testbed, windows[-1].broken)
    return windows


async def strike(testbed: Testbed, service: str, fault: str, seconds: float) -> Window:
    """Let orders arrive for some seconds while a service has a fault, and then remove the fault.

    Raises UserError if the fault has no effect.
    """
    stack, unit = testbed.stack, testbed.stack.database_of(service)
    struck = stack.state / f"struck-{service}-{fault}"
    variables = {
        "PYTHONPATH": str(CHILD),
        "COMPARE_FAULT": f"{service} {fault}",
        "COMPARE_STRUCK": str(struck),
    }
    broken = replace(stack, environment={**stack.environment, **variables})
    await embedded.stop(stack, unit)
    await embedded.start(broken, unit)
    async with kept_running(broken, unit) as ends:
        await trial.send(testbed, 1, 0, *OPTIONS)
        await until_struck(struck, service)
        found = await window.watch(testbed, fault_name(service, fault), seconds)
    if fault in ENDING and not ends:
        raise UserError(f"The fault of {service} had no effect: its process never ended.")
    await embedded.kill(stack, unit)
    await embedded.start(stack, unit)
    await asyncio.to_thread(admin.redrive_all, testbed.target, service)
    return found


@asynccontextmanager
async def kept_running(stack: Stack, unit: str) -> AsyncIterator[list[float]]:
    """A context in which a process that ends is started again, as Kubernetes does. Yields the times of the ends."""
    ends: list[float] = []

    async def keep() -> None:
        while True:
            if stack.daemon(unit).process() is None:
                ends.append(time.monotonic())
                with suppress(UserError):  # it ended before it was ready
                    await embedded.start(stack, unit)
            await asyncio.sleep(KEEPING_SECONDS)

    keeping = asyncio.create_task(keep())
    try:
        yield ends
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


async def until_struck(struck: Path, service: str, seconds: float = STRUCK_SECONDS) -> None:
    """Return when a broken handler was called for the first time. Raises UserError if that takes too long."""
    given_up = time.monotonic() + seconds
    while not struck.exists():
        if time.monotonic() > given_up:
            raise UserError(
                f"The fault of {service} had no effect: no handler was called for {seconds:.0f} s."
            )
        await asyncio.sleep(0.1)
