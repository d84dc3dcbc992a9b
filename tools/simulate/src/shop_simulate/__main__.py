"""The program behind `shop simulate`, which gives it all options as one JSON object.

It is a program of its own, because it imports the services. The `shop` command imports none.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from rich.console import Console
from rich.progress import Progress

from shop_simulate.choices import choices_of
from shop_simulate.databases import Place, copy_places, make_places
from shop_simulate.report import as_json, print_failure
from shop_simulate.run import Result
from shop_simulate.shrink import shrink
from shop_simulate.workers import first_failure, simulation_on
from shop_stack.errors import UserError
from shop_stack.postgres import Server
from shop_stack.servers import FOLDER_PREFIX, ServersOnly

FAILED = 1


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `shop simulate`."""

    schedules: int
    seed: int
    steps: int
    workers: int
    replay: str
    """A schedule as a text; empty if schedules are made by seeds."""
    as_json: bool


def main(options: Options) -> int:
    """Run schedules on a server of their own. Returns the exit code."""
    asked = choices_of(options.replay) if options.replay else None
    servers = ServersOnly(Path(mkdtemp(prefix=FOLDER_PREFIX)))
    console = Console(stderr=True)
    try:
        with console.status("starting PostgreSQL and migrating five databases"):
            server, places = asyncio.run(_prepare(servers, 1 if asked else options.workers))
        if asked is not None:
            result = asyncio.run(_replayed(server, places[-1], asked))
            return _tell(options, None, result, result) if result.violated else _tell_green(options, 1, 0.0)
        begin = time.monotonic()
        seeds = range(options.seed, options.seed + options.schedules)
        with Progress(console=console, transient=True) as progress:
            bar = progress.add_task("schedules", total=len(seeds))
            failing = first_failure(
                server, places[:-1], seeds, options.steps, lambda done: progress.advance(bar, done)
            )
        if failing is None:
            return _tell_green(options, len(seeds), time.monotonic() - begin)
        with console.status(f"the schedule of seed {failing} fails: making it shorter"):
            found, shortest = asyncio.run(_shortened(server, places[-1], failing, options.steps))
        return _tell(options, failing, found, shortest)
    finally:
        asyncio.run(servers.stop())


async def _prepare(servers: ServersOnly, workers: int) -> tuple[Server, list[list[Place]]]:
    """Start PostgreSQL. Returns the databases of each worker, and those for replays as the last ones."""
    server = await servers.start_postgres()
    first = await make_places(server)
    return server, [*[await copy_places(server, first, str(n)) for n in range(workers)], first]


async def _replayed(server: Server, places: list[Place], choices: Any) -> Result:
    async with simulation_on(server, places) as simulation:
        return await simulation.replay(choices)


async def _shortened(server: Server, places: list[Place], seed: int, steps: int) -> tuple[Result, Result]:
    async with simulation_on(server, places) as simulation:
        found = await simulation.by_seed(seed, steps)
        return found, await shrink(found, simulation.replay)


def _tell_green(options: Options, schedules: int, seconds: float) -> int:
    rate = round(schedules / seconds * 60) if seconds else 0
    if options.as_json:
        green = {"holds": True, "schedules": schedules, "seconds": round(seconds, 1), "per_minute": rate}
        print(json.dumps(green | {"seed": options.seed, "failure": None}))
        return 0
    speed = f" {rate:,} a minute." if rate else ""
    print(f"Everything holds after each of {schedules:,} schedules.{speed}")
    return 0


def _tell(options: Options, seed: int | None, found: Result, shortest: Result) -> int:
    if options.as_json:
        print(json.dumps({"holds": False, "failure": as_json(seed, found, shortest)}))
        return FAILED
    console = Console(highlight=False)
    if seed is not None:
        console.print(
            f"The schedule of seed {seed} fails. This is the shortest one that fails in the same way.\n"
        )
    print_failure(shortest, console)
    if seed is not None:
        console.print(f"Before it was made shorter: shop simulate --schedules 1 --seed {seed}")
    return FAILED


if __name__ == "__main__":
    try:
        sys.exit(main(Options(**json.loads(sys.argv[1]))))
    except UserError as error:
        print(f"shop: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
