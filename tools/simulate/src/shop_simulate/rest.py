"""Brings the shop to rest at the end of a schedule: everything that is possible is done, in a fixed order."""

from __future__ import annotations

from shop_simulate.processes import Process
from shop_simulate.shop import Shop
from shop_simulate.work import Fate

WAITS = (25.0, 3_800.0)
"""Seconds that pass one after the other: leases and pauses end; orders are overdue, and payments count as abandoned."""
MOST_ROUNDS = 200


async def bring_to_rest(shop: Shop) -> list[str]:
    """Do all that is left to do. Returns the reasons why the shop is not at rest; [] if it is."""
    rounds = 0
    for seconds in (0.0, *WAITS):
        if seconds:
            shop.let_pass(seconds)
        while await _one_round(shop):
            rounds += 1
            if rounds > MOST_ROUNDS:
                return ["new work kept coming"]
    return []


async def _one_round(shop: Shop) -> bool:
    """Send, deliver and run what is there. Returns whether anything was."""
    did_something = False
    for process in shop.processes.values():
        shop.clock.tick()
        for job in [name for name in process.jobs if name in process.woken or process.is_running(name)]:
            await _run_to_its_end(shop, process, job)
            did_something = True
        while process.can_send and await process.relay_page():
            did_something = True
    for group in shop.processes:
        shop.clock.tick()
        if await shop.deliver(group, shop.transport.unread_lanes(group), Fate.LIVES):
            did_something = True
    return did_something


async def _run_to_its_end(shop: Shop, process: Process, job: str) -> None:
    await shop.run_job(process, job, ())
    while process.is_running(job):
        await shop.run_job(process, job, ())
