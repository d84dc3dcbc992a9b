"""Pauses between tries, and waits that a cancellation always ends."""

import asyncio

import pytest

from chassis.backoff import Backoff, wait_for_event


@pytest.mark.parametrize("turns", range(5))
async def test_a_cancellation_that_comes_together_with_the_event_is_not_swallowed(turns: int) -> None:
    event = asyncio.Event()
    waiting = asyncio.create_task(wait_for_event(event, 60))
    await asyncio.sleep(0)
    event.set()
    for _ in range(turns):  # of the loop, in one of which both meet
        await asyncio.sleep(0)
    cancelled = waiting.cancel()  # False: it was over
    await asyncio.wait([waiting])
    assert waiting.cancelled() is cancelled


async def test_a_wait_ends_by_itself_without_the_event() -> None:
    await wait_for_event(asyncio.Event(), 0.01)
    await wait_for_event(asyncio.Event(), -1.0)


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 0.2), (2, 0.4), (3, 0.8), (5, 3.2), (6, 5.0), (10_000, 5.0)]
)
def test_a_pause_doubles_up_to_the_longest_and_is_shortened_by_half_at_most(
    failures: int, longest: float
) -> None:
    pauses = [Backoff().pause(failures) for _ in range(200)]
    assert all(longest / 2 <= pause <= longest for pause in pauses)
    assert len(set(pauses)) > 1
