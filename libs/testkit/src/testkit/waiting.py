"""Waiting for a condition with a deadline, instead of sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(check: Callable[[], Awaitable[T]], deadline: float = 10.0) -> T:
    """Call `check` until it raises no AssertionError any more, and return what it returned.

    After `deadline` seconds the last AssertionError is raised.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    while True:
        try:
            return await check()
        except AssertionError:
            if loop.time() > end:
                raise
        await asyncio.sleep(0.02)
