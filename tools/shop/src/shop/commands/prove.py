"""`shop prove`: what the chassis promises, tried under load. Register with `app.add_typer(prove.app, name="prove")`."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import TaskProgressColumn

from shop.commands.bench import end
from shop.steps import Steps
from shop_lab.experiments import (
    foreign,
    open_transaction,
    overload,
    rebalances,
    replicas,
    republish,
    shutdown,
)
from shop_lab.experiments.experiment import Experiment, fresh_experiment
from shop_lab.experiments.outcome import Outcome, print_outcome
from shop_stack.errors import UserError
from shop_stack.ports import SERVICES

app = typer.Typer(
    help="Try under load what the chassis promises, each on a fresh stack of its own. The exit code is the verdict.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]
Minutes = Annotated[float, typer.Option(min=0.1, help="For how long.")]
Run = Callable[[Experiment], Awaitable[Outcome]]


@app.command("replicas")
def prove_replicas(minutes: Minutes = 5, as_json: AsJson = False) -> None:
    """Four replicas of every service that come, go and crash.

    Twenty processes on topics of twelve partitions, orders of every outcome
    at the doors of all four replicas of orders. First one replica of each
    service is killed: its relay held a share of the outbox, and the others
    have it within 10 seconds. Then, for some minutes, processes end (three in
    ten by kill -9) and start again. No key may be out of order and no effect
    happen twice; the oracle judges everything.

    Examples:

        shop prove replicas

        shop prove replicas --minutes 1 --json
    """
    carry_out("4 replicas of every service", lambda on: replicas.run(on, minutes), as_json, replicas.SETTINGS)


@app.command("rebalances")
def prove_rebalances(
    joins: Annotated[int, typer.Option(min=1, help="How many replicas join, and leave.")] = 200,
    service: Annotated[str, typer.Option(help="Whose consumer.")] = "inventory",
    as_json: AsJson = False,
) -> None:
    """200 joins and leaves of a consumer under load.

    One process of the service stays, two more come and go, one in twenty by
    kill -9. A stall is the time in which nothing is taken from a partition
    although there is something: it may last as long as a session (10 s, after
    a crash the broker waits so long) and two seconds. What happened during
    the longest one is told. The oracle judges everything.

    Examples:

        shop prove rebalances

        shop prove rebalances --joins 20 --service payments
    """
    if service not in SERVICES:
        raise UserError(f"There is no service {service!r}: it is one of {', '.join(SERVICES)}.")
    carry_out(
        f"{joins} joins and leaves of {service}", lambda on: rebalances.run(on, service, joins), as_json
    )


@app.command("open-transaction")
def prove_open_transaction(minutes: Minutes = 10, as_json: AsJson = False) -> None:
    """A transaction held open for 10 minutes beside the relay.

    It has an id and a snapshot, so vacuum can remove nothing of what was
    updated since, and no snapshot's lower end moves. The relay keeps 90 % of
    its speed and skips nothing. Meanwhile rows come in
    a hundred small transactions a second, and every ten seconds as a backlog
    of 20,000, on which the relay's speed is taken. The same without it before
    and after. In the end all rows are read from Kafka, each key's in order.

    Example:

        shop prove open-transaction --minutes 2
    """
    carry_out(
        f"A transaction held open for {minutes:g} minutes",
        lambda on: open_transaction.run(on, minutes),
        as_json,
    )


@app.command("overload")
def prove_overload(minutes: Minutes = 3, as_json: AsJson = False) -> None:
    """Ten times as many orders as the shop can do.

    First the sustainable rate is looked for, three times; then ten times as
    many come as the median, by the clock; who is answered 429 (with
    Retry-After) goes away. Then the rate is looked for three times more, as
    the machine may have become faster or slower. Of the median of all six at
    least 80 % are confirmed in the rush, the queue has drained a minute after
    its end, memory stays bounded, and the oracle misses no order that was taken.

    Example:

        shop prove overload --minutes 1
    """
    carry_out(
        f"10 × the sustainable rate for {minutes:g} minutes", lambda on: overload.run(on, minutes), as_json
    )


@app.command("shutdown")
def prove_shutdown(
    rounds: Annotated[int, typer.Option(min=1, help="How often each service is ended.")] = 3,
    as_json: AsJson = False,
) -> None:
    """SIGTERM to each service under load.

    It ends within 10 s, fails no request, and little is delivered twice. Each
    service has two replicas and the first of them is ended. There is no
    load balancer: a client whose connection is refused takes the other
    replica, and that is no failure, for nobody had taken the request. Once a
    connection stands, an answer below 500 is owed. Little is one batch: 500.

    Example:

        shop prove shutdown --rounds 1
    """
    carry_out("SIGTERM to each service under load", lambda on: shutdown.run(on, rounds), as_json)


@app.command("republish")
def prove_republish(
    orders: Annotated[int, typer.Option(min=100, help="How many orders.")] = 1_500, as_json: AsJson = False
) -> None:
    """Kafka's volume destroyed in the middle of business.

    The broker is killed, its data deleted, an empty one started with the
    declared topics. Then every service sends again what its outbox has, as
    `shop republish` does. Orders keep coming all the time, and none is lost.

    Example:

        shop prove republish --orders 300
    """
    carry_out("Kafka's volume destroyed", lambda on: republish.run(on, orders), as_json)


@app.command("foreign")
def prove_foreign(
    minutes: Minutes = 60,
    rate: Annotated[float, typer.Option(min=1, help="Ordinary orders per second.")] = 40,
    as_json: AsJson = False,
) -> None:
    """Foreign inputs and silent peers beside ordinary orders.

    First the orders alone, for a tenth of the time. Then a generator gives
    every second: records that are no events, in every codec, on every topic;
    half requests; orders with odd cards; orders that orders does not have;
    requests with wrong text. Every few minutes idle backends freeze, a
    privilege is missing, a table is locked, a topic takes only small batches.
    Every ordinary order is confirmed within its deadline, no consumer starts
    again, memory stays bounded, and the oracle names the foreign records.
    The times in which a part is kept from its work do not count for the p99.
    The verdict is "vacuous" if an input was not seen to bite: in less than
    two minutes not every input has its turn.

    Examples:

        shop prove foreign

        shop prove foreign --minutes 3 --rate 20 --json
    """
    carry_out(
        f"Foreign inputs for {minutes:g} minutes",
        lambda on: foreign.run(on, minutes, rate),
        as_json,
        foreign.SETTINGS,
    )


def carry_out(title: str, run: Run, as_json: bool, settings: Mapping[str, str] | None = None) -> None:
    """Run an experiment on a testbed of its own, print its outcome, and exit with the verdict."""
    signal.signal(signal.SIGTERM, end)
    outcome = asyncio.run(_carried_out(title, run, settings or {}))
    if as_json:
        typer.echo(json.dumps(outcome.as_json(), indent=2))
    else:
        print_outcome(outcome, title, Console())
    raise typer.Exit(0 if outcome.holds else 1)


async def _carried_out(title: str, run: Run, settings: Mapping[str, str]) -> Outcome:
    with Steps(Console(stderr=True), TaskProgressColumn()) as progress:
        task = progress.add_task(title, total=1.0)
        try:
            async with fresh_experiment(
                lambda what: progress.update(task, description=what),
                lambda share: progress.update(task, completed=share),
                settings,
            ) as experiment:
                return await run(experiment)
        except ExceptionGroup as group:
            raise _first(group) from group


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """The one fault to tell of: what is done at a time fails together."""
    found: Exception = group
    while isinstance(found, ExceptionGroup):
        found = found.exceptions[0]
    return found
