"""`chassis.tuning.seldom_ticks`: a server waits for its end instead of looking for it."""

import asyncio
import signal
from functools import partial

import pytest
import uvicorn

from chassis.tuning import seldom_ticks
from chassis.tuning.seldom_ticks import ticking_seldom
from testkit.waiting import eventually


async def nothing(scope: object, receive: object, send: object) -> None:
    """An app that is never called."""


class CountedTicks(uvicorn.Server):
    """A server that counts how often it has looked whether it should end."""

    ticks = 0

    async def on_tick(self, counter: int) -> bool:
        self.ticks += 1
        return await super().on_tick(counter)


async def has_looked(server: CountedTicks, times: int) -> None:
    assert server.ticks >= times


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> CountedTicks:
    monkeypatch.setattr(seldom_ticks, "TICK_SECONDS", 3600.0)
    made = ticking_seldom(CountedTicks)(uvicorn.Config(nothing))
    assert isinstance(made, CountedTicks)
    return made


async def test_a_server_that_waits_is_woken_by_its_signal(server: CountedTicks) -> None:
    loop = asyncio.create_task(server.main_loop())
    await asyncio.sleep(0)  # it has looked once, and waits for an hour
    server.handle_exit(signal.SIGTERM, None)
    await loop
    assert server.ticks == 2


async def test_a_server_whose_end_came_before_its_loop_does_not_wait(server: CountedTicks) -> None:
    server.should_exit = True
    await server.main_loop()
    assert server.ticks == 1


async def test_the_date_of_the_answers_is_written_at_each_tick(server: CountedTicks) -> None:
    server.should_exit = True
    await server.main_loop()
    assert b"date" in dict(server.server_state.default_headers)


async def test_uvicorn_itself_still_looks_again_and_again() -> None:
    """Fails when uvicorn waits for an event: then `chassis.tuning.seldom_ticks` is needless."""
    plain = CountedTicks(uvicorn.Config(nothing))
    loop = asyncio.create_task(plain.main_loop())
    await eventually(partial(has_looked, plain, 3))
    plain.should_exit = True
    await loop
