"""Undoes the faults that a killed runner has left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from shop_chaos import injectors, open_faults, runner_lock, system
from shop_chaos.open_faults import OpenFault
from shop_chaos.runner import SHOP
from shop_chaos.system import System
from shop_stack import embedded
from shop_stack.connect import TargetKind
from shop_stack.paths import state_folder
from shop_stack.target import TargetMissing
from shop_stack.target import embedded as target_of


def roll_back() -> Iterator[str]:
    """Undo every fault that is in force, the last one first, and remove the shop that the runner had started.

    Yields what was done, one sentence each. Raises UserError if a fault cannot be undone, and its file stays; or if a
    runner is at work, which undoes its faults itself.
    """
    with runner_lock.held():
        yield from _roll_back()


def _roll_back() -> Iterator[str]:
    for file, fault in reversed(open_faults.read_all().items()):
        yield asyncio.run(_undo(fault))
        open_faults.close(file)
    left = embedded.stack(state_folder() / SHOP)
    if any(left.daemon(part).process() is not None for part in left.parts):
        asyncio.run(embedded.down(left, wipe=True))
        yield f"The shop in {left.state} was removed."


async def _undo(fault: OpenFault) -> str:
    try:
        on = _shop_of(fault)
    except TargetMissing:
        return f"{fault.sentence} ended with its shop."
    await injectors.of(fault.injector, fault.arguments).heal(on)
    return f"{fault.sentence} was undone."


def _shop_of(fault: OpenFault) -> System:
    """The shop that has the fault. Raises TargetMissing if it is gone."""
    kind = TargetKind(fault.target)
    if kind is not TargetKind.EMBEDDED:
        return system.without_addresses(kind)
    stack = embedded.stack(Path(fault.stack), fault.base)
    return System(stack, target_of(stack.state))
