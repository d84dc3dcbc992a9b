"""`shop prove`: experiments that test the promises of the chassis under load."""

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
from shop_stack.errors import UserError, first_of
from shop_stack.ports import SERVICES

app = typer.Typer(
    help="Experiments under load, each on a new stack of its own. Exit code 0 if every promise held.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]
Minutes = Annotated[float, typer.Option(min=0.1, help="Duration in minutes.")]
Run = Callable[[Experiment], Awaitable[Outcome]]


@app.command("replicas")
def prove_replicas(minutes: Minutes = 5, as_json: AsJson = False) -> None:
    """Run four replicas of every service while some start, stop and crash.

    Twenty processes share topics with twelve partitions. Orders of every
    outcome go to all four replicas of orders. First, one replica of each
    service is killed: within 10 seconds the other relays must own its share of
    the outbox. Then, for some minutes, processes stop (three in ten by
    kill -9) and start again. No key may be out of order, and no effect may
    happen twice. At the end the oracle judges every order.

    Examples:

        shop prove replicas

        shop prove replicas --minutes 1 --json"""
    carry_out("4 replicas of every service", lambda on: replicas.run(on, minutes), as_json, replicas.SETTINGS)


@app.command("rebalances")
def prove_rebalances(
    joins: Annotated[int, typer.Option(min=1, help="How many times a replica joins and leaves.")] = 200,
    service: Annotated[str, typer.Option(help="The service whose consumer is tested.")] = "inventory",
    as_json: AsJson = False,
) -> None:
    """Add and remove replicas of one consumer 200 times under load.

    One process of the service stays. Two more start and stop, one in twenty by
    kill -9. A partition stalls while it has messages and the group takes none.
    The longest stall may last 12 seconds: the session timeout of 10 seconds,
    for which the broker waits after a crash, and a margin of 2 seconds. The
    outcome lists what happened during the longest stall. At the end the oracle
    judges every order.

    Examples:

        shop prove rebalances

        shop prove rebalances --joins 20 --service payments"""
    if service not in SERVICES:
        raise UserError(f"There is no service {service!r}: it is one of {', '.join(SERVICES)}.")
    carry_out(
        f"{joins} joins and leaves of {service}", lambda on: rebalances.run(on, service, joins), as_json
    )


@app.command("open-transaction")
def prove_open_transaction(minutes: Minutes = 10, as_json: AsJson = False) -> None:
    """Keep a transaction open for 10 minutes while the relay works.

    The transaction has an id and a snapshot. So vacuum cannot remove rows that
    were updated since, and the lower end of every snapshot stays where it is.
    The relay must keep 90 % of its speed and skip no row. Meanwhile a hundred
    small transactions write rows every second, and every ten seconds one
    transaction writes 20,000 rows; the relay's speed is measured on these. The
    same is measured before and after, without the open transaction. At the
    end all rows are read from Kafka, and those of each key must be in order.

    Example:

        shop prove open-transaction --minutes 2"""
    carry_out(
        f"A transaction held open for {minutes:g} minutes",
        lambda on: open_transaction.run(on, minutes),
        as_json,
    )


@app.command("overload")
def prove_overload(minutes: Minutes = 3, as_json: AsJson = False) -> None:
    """Send ten times as many orders as the shop can process.

    First, three runs measure the sustainable rate. Then orders arrive at ten
    times the median rate. A customer who gets 429 with Retry-After leaves.
    Then three more runs measure the sustainable rate again, because the
    machine may have become faster or slower. During the overload the shop must
    confirm at least 80 % of the median of all six runs. The queue must be empty
    one minute after it, memory must stay bounded, and the oracle must find
    every order that was accepted.

    Example:

        shop prove overload --minutes 1"""
    carry_out(
        f"10 × the sustainable rate for {minutes:g} minutes", lambda on: overload.run(on, minutes), as_json
    )


@app.command("shutdown")
def prove_shutdown(
    rounds: Annotated[int, typer.Option(min=1, help="How many times each service is stopped.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Send SIGTERM to each service under load.

    The service must end within 10 seconds, fail no request, and cause at most
    500 redelivered events (one batch). Each service has two replicas, and the
    first one is stopped. There is no load balancer: a client whose connection
    is refused uses the other replica. This is not a failure, because no process
    had accepted the request. A connection that was accepted must get an answer
    below 500.

    Example:

        shop prove shutdown --rounds 1"""
    carry_out("SIGTERM to each service under load", lambda on: shutdown.run(on, rounds), as_json)


@app.command("republish")
def prove_republish(
    orders: Annotated[int, typer.Option(min=100, help="How many orders.")] = 1_500, as_json: AsJson = False
) -> None:
    """Delete Kafka's data under load, and fill the topics again from the outboxes.

    The broker is killed, its data is deleted, and an empty broker starts with
    the declared topics. Then every service sends again all events that its
    outbox still has, as `shop republish` does. Orders keep arriving, and none
    may be lost.

    Example:

        shop prove republish --orders 300"""
    carry_out("Kafka's volume destroyed", lambda on: republish.run(on, orders), as_json)


@app.command("foreign")
def prove_foreign(
    minutes: Minutes = 60,
    rate: Annotated[float, typer.Option(min=1, help="Ordinary orders per second.")] = 40,
    as_json: AsJson = False,
) -> None:
    """Send foreign inputs and incomplete requests in addition to ordinary orders.

    First, ordinary orders run alone for a tenth of the time. Then a generator
    sends every second: records that are not events, in every codec, on every
    topic; incomplete requests; orders with unusual cards; orders that the
    service orders does not have; requests with invalid text. Every few minutes
    idle database connections freeze, a privilege is missing, a table is locked,
    and a topic accepts only small batches. Every ordinary order must be
    confirmed within its deadline, no consumer may be restarted, memory must
    stay bounded, and the oracle must name the foreign records. The p99 leaves
    out the times in which a part is disturbed on purpose. The verdict is
    "vacuous" if an input had no visible effect. A run of less than two minutes
    does not send every input.

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
            raise first_of(group) from group
