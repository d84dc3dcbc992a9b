"""What shops in containers and on a cluster have in common: they are reached by commands, and their members leave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from shop_stack import kafka_groups
from shop_stack.errors import UserError
from shop_stack.target import Target

START_SECONDS = 300.0
"""The longest time until a part is ready. A container that was away long may wait for its next check."""
LOOK_SECONDS = 0.5


async def eventually(holds: Callable[[], bool], otherwise: str, seconds: float = START_SECONDS) -> None:
    """Wait until `holds` returns True. Raises UserError with `otherwise` after `seconds`."""
    given_up = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > given_up:
            raise UserError(f"{otherwise} after {seconds:.0f} s.")
        await asyncio.sleep(LOOK_SECONDS)


async def has_members(target: Target, group: str) -> bool:
    """Whether a consumer group has a member. Yes if the broker does not tell: its silence proves no removal."""
    return await kafka_groups.members(target.kafka, group) != 0
