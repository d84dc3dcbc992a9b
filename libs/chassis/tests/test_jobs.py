"""How a job rests."""

import asyncio

import pytest


@pytest.mark.parametrize("turns", range(5))
async def test_a_cancellation_that_comes_together_with_the_wake_is_not_swallowed(turns: int) -> None:
    woken = asyncio.Event()
    resting = asyncio.create_task(wait(woken, 60))
    await asyncio.sleep(0)
    woken.set()
    for _ in range(turns):  # of the loop, in one of which both meet
        await asyncio.sleep(0)
    cancelled = resting.cancel()  # False: it was over
    await asyncio.wait([resting])
    assert resting.cancelled() is cancelled


async def test_a_rest_that_nobody_ends_is_over_by_itself() -> None:
    await wait(asyncio.Event(), 0.01)
    await wait(asyncio.Event(), -1.0)
