"""The commands `shop fuzz events` and `shop fuzz requests`."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any

import typer
from rich.console import Console

from shop.commands.bench import end
from shop.steps import Steps
from shop_lab.fuzz import events as event_runs
from shop_lab.fuzz import requests as request_runs
from shop_lab.fuzz.apis import program
from shop_lab.fuzz.events import Plan
from shop_lab.fuzz.mutants import spec_of
from shop_lab.fuzz.verdict import Fuzzed, print_fuzzed
from shop_lab.testbed import TRACED, Testbed, fresh_testbed
from shop_stack.connect import TargetKind, chosen_kind
from shop_stack.errors import UserError

app = typer.Typer(
    no_args_is_help=True, help="Send mutated events or requests to a shop of its own, and judge."
)

Seed = Annotated[int, typer.Option(min=0, help="The same seed makes the same inputs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

Carry = Callable[[Testbed, Callable[[str], None], Callable[[int], None]], Coroutine[Any, Any, Fuzzed]]


@app.command()
def events(
    count: Annotated[int, typer.Option(min=1, help="How many mutants.")] = 6_000,
    seed: Seed = 1,
    rate: Annotated[float, typer.Option(min=1, help="Mutants per second.")] = 100.0,
    orders: Annotated[float, typer.Option(min=1, help="Ordinary orders per second.")] = 20.0,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="SEED:NUMBER[:STEPS]", help="Send this mutant alone; repeat it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send mutated events to every topic while ordinary orders arrive.

    A mutant is an example of a contract with one to three changes: a value of
    another type, at a bound, missing or too many, odd texts, deep or huge data,
    other bytes, keys and headers, a compressed or damaged batch. Afterwards
    each one must be handled as a valid event, or be a dead letter of each
    reader. Anything else is a finding, and is printed with the command that
    sends this mutant again.

    It starts a stack of its own and removes it. First orders come alone, for a
    minute. Then the p99 of their time to end may be 1.5 times as long at most.

    Examples:

        shop fuzz events                                  6,000 mutants in some minutes

        shop fuzz events --count 100000 --seed 7

        shop fuzz events --only 7:2718                    one mutant of seed 7

        shop fuzz events --only 7:2718:0                  with its first change alone"""
    plan = Plan(count, seed, rate, orders, [spec_of(text) for text in only or []])

    async def carry(testbed: Testbed, tell: Callable[[str], None], progress: Callable[[int], None]) -> Fuzzed:
        return await event_runs.Run(testbed, plan, tell, progress).carry_out()

    _tell(_run(carry, len(plan.specs)), as_json)


@app.command()
def requests(
    count: Annotated[int, typer.Option(min=1, help="How many requests at least.")] = 3_000,
    seed: Seed = 1,
    only: Annotated[
        list[str] | None, typer.Option(metavar="SERVICE/ROLE", help="Ask this API alone; repeat it.")
    ] = None,
    examples: Annotated[
        int, typer.Option(min=0, help="Examples of each operation in a round.", show_default="by --count")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Send generated requests to all HTTP APIs, with real tokens of their callers.

    schemathesis makes the requests from contracts/openapi: valid ones, invalid
    ones, and sequences in which one answer is used in the next request. The
    APIs are those of the five services by role, such as orders/customer, and
    the admin API of each, such as orders/admin. No answer may be 5xx, no
    request may stay without an answer, and no process may end.

    It starts a stack of its own and removes it. `make fuzz-environment` installs
    schemathesis. A round with its seed is repeated until enough requests were
    sent, each time with the next seed.

    Examples:

        shop fuzz requests                                3,000 requests in some minutes

        shop fuzz requests --count 100000 --seed 7

        shop fuzz requests --only orders/customer --seed 7 --examples 50"""
    plan = request_runs.Plan(count, seed, only or (), examples)

    async def carry(testbed: Testbed, tell: Callable[[str], None], progress: Callable[[int], None]) -> Fuzzed:
        return await request_runs.Run(testbed, plan, tell, progress).carry_out()

    program()
    _tell(_run(carry, count, request_runs.SETTINGS), as_json)


def _run(carry: Carry, total: int, settings: Mapping[str, str] = TRACED) -> Fuzzed:
    """Carry out a run on a testbed of its own with these settings. Its progress is on stderr."""
    if chosen_kind() is not TargetKind.EMBEDDED:
        raise UserError("The fuzz starts a shop of processes: leave out --target.")
    signal.signal(signal.SIGTERM, end)

    async def run(progress: Steps) -> Fuzzed:
        task = progress.add_task("starting", total=total)

        def tell(what: str) -> None:
            progress.update(task, description=what)

        async with fresh_testbed(
            lambda part, what: tell(f"{part}: {what}"), name="fuzz-shop", environment=settings
        ) as testbed:
            return await carry(testbed, tell, lambda done: progress.update(task, completed=done))

    with Steps(Console(stderr=True)) as progress:
        return asyncio.run(run(progress))


def _tell(found: Fuzzed, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        print_fuzzed(found, Console())
    raise typer.Exit(0 if found.holds else 1)
