"""Processes that run schedules at the same time, each with databases of its own on one server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.queues import Queue

import structlog

from shop_simulate.databases import Place, adopt
from shop_simulate.run import Simulation
from shop_simulate.shop import Shop
from shop_stack.postgres import Server

CHUNK = 10
"""Schedules that a process runs before it reports."""
ABOVE_ALL = 50
"""A log level that only critical messages have. What a service logs about a fault of a schedule is no news."""


@asynccontextmanager
async def simulation_on(server: Server, places: Sequence[Place]) -> AsyncIterator[Simulation]:
    """A simulation in these databases, which are migrated and were not used yet."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(ABOVE_ALL))
    databases = [await adopt(server, place) for place in places]
    shop = Shop(databases)
    await shop.open()
    yield Simulation(shop)
    await shop.close()
    for database in databases:
        await database.admin.close()


def first_failure(
    server: Server,
    places: Sequence[Sequence[Place]],
    seeds: range,
    steps: int,
    on_done: Callable[[int], None],
) -> int | None:
    """Run the schedules of these seeds in as many processes as there are `places`. Returns the first failing seed.

    `on_done` is called with the number of schedules that have just ended.
    """
    context = get_context("spawn")
    waiting: Queue[Sequence[Place]] = context.Queue()
    for each in places:
        waiting.put(each)
    chunks = [seeds[begin : begin + CHUNK] for begin in range(0, len(seeds), CHUNK)]
    with ProcessPoolExecutor(len(places), context, _Worker.begin, (server, waiting)) as pool:
        for chunk, failed in zip(chunks, pool.map(partial(_Worker.run, steps=steps), chunks), strict=True):
            on_done(len(chunk))
            if failed is not None:
                pool.shutdown(cancel_futures=True)
                return failed
    return None


class _Worker:
    """The simulation of a worker process, which stays open between two chunks."""

    _loop: asyncio.AbstractEventLoop
    _simulation: Simulation

    @classmethod
    def begin(cls, server: Server, waiting: Queue[Sequence[Place]]) -> None:
        cls._loop = asyncio.new_event_loop()
        opened = simulation_on(server, waiting.get())
        cls._simulation = cls._loop.run_until_complete(opened.__aenter__())

    @classmethod
    def run(cls, seeds: range, steps: int) -> int | None:
        for seed in seeds:
            if cls._loop.run_until_complete(cls._simulation.by_seed(seed, steps)).violated:
                return seed
        return None
