"""Places orders of every outcome while a drill lasts, and watches the parts. It ends at SIGTERM.

python -m shop_chaos.drills.background
"""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import replace
from typing import Any

from shop_chaos.drills import record
from shop_chaos.drills.menu import is_in_force
from shop_chaos.drills.record import Drill, Watched
from shop_chaos.system import System
from shop_lab.experiments import background_orders
from shop_load.closed_loop import Customers
from shop_stack import embedded
from shop_stack.errors import UserError
from shop_stack.stack import Stack
from shop_stack.target import Target
from shop_stack.target import embedded as target_of

RATE = 2.0
"""Orders per second: few, because the operator needs the machine, too."""
ORDERS = 5_000
"""The orders of one run: 40 minutes. Products are listed once, so that orders also arrive while inventory is away."""
LONGEST_SECONDS = 3_600.0
"""For so long a customer repeats a request."""
LOOK_SECONDS = 1.0
PAUSE_SECONDS = 5.0


async def come(target: Target, watched: Watched) -> None:
    """Customers who place orders for ever. If they must give up, they come again."""

    def count(_: Any) -> None:
        watched.placed += 1

    while True:
        customers = Customers(concurrency=16, rate=RATE, patience=LONGEST_SECONDS, on_placed=count)
        try:
            await background_orders.serve(target, ORDERS, customers)
        except* UserError as group:
            watched.trouble = str(group.exceptions[0])
        await asyncio.sleep(PAUSE_SECONDS)


async def watch(stack: Stack, target: Target, watched: Watched) -> None:
    """Write down starts of parts, whether the fault has bitten, and when it was undone."""
    known = stack.processes()
    written = Watched()
    while True:
        known = note_starts(known, stack.processes(), watched)
        drill = record.read()
        if drill is not None and drill.began:
            await note_fault(drill, System(stack, target), watched)
        if watched != written:
            record.write_watched(watched)
            written = replace(watched, starts=dict(watched.starts))
        await asyncio.sleep(LOOK_SECONDS)


def note_starts(known: dict[str, str], now: dict[str, str], watched: Watched) -> dict[str, str]:
    """Count the parts whose process is a new one. Returns the last known process of each part."""
    for part, process in now.items():
        if process and process != known.get(part):
            watched.starts[part] = watched.starts.get(part, 0) + 1
    return known | {part: process for part, process in now.items() if process}


async def note_fault(drill: Drill, on: System, watched: Watched) -> None:
    """Note that the fault has bitten, and when it was undone."""
    watched.bit = watched.bit or await has_bitten(drill, on)
    if not watched.cured and not await is_in_force(drill.fault, on):
        watched.cured = time.time()


async def has_bitten(drill: Drill, on: System) -> bool:
    """Whether the counts that the catalogue demands were seen. False also if they cannot be read now."""
    hidden = drill.fault
    try:
        seen = await hidden.injector.seen(on, drill.before)
    except Exception:  # each client library has errors of its own; the next look tries again
        return False
    return all(seen.get(name, 0) >= least for name, least in hidden.must_be_seen.items())


async def serve() -> None:
    """Place orders and watch, until SIGTERM."""
    stack = embedded.stack()
    target = target_of(stack.state)
    watched = Watched()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    tasks = [asyncio.create_task(come(target, watched)), asyncio.create_task(watch(stack, target, watched))]
    waiting = asyncio.create_task(ended.wait())
    await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
    for task in (*tasks, waiting):
        task.cancel()
    await asyncio.gather(*tasks, waiting, return_exceptions=True)
    record.write_watched(watched)


if __name__ == "__main__":
    asyncio.run(serve())
