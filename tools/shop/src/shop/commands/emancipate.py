"""`shop emancipate`: takes one module out of the running monolith into a service of its own, and puts it back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from typing import Annotated, Any

import typer
from rich.console import Console

from shop.commands.progress import Progress
from shop.output import all_the_same
from shop_oracle.looks import look
from shop_stack import embedded
from shop_stack.connect import TargetKind, chosen_kind
from shop_stack.emancipation import journal, run
from shop_stack.emancipation.journal import Journal
from shop_stack.emancipation.plan import LONGEST_WAIT
from shop_stack.emancipation.run import Outcome
from shop_stack.emancipation.steps import how_long
from shop_stack.errors import UserError
from shop_stack.target import Target

Module = Annotated[str, typer.Argument(help="The module to take out of the monolith.")]
Back = Annotated[bool, typer.Option("--back", help="Put the module back into the monolith.")]
Seconds = Annotated[
    float, typer.Option(min=0, help="Refuse if requests would wait for more seconds than this.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]


def emancipate(
    module: Module, back: Back = False, longest_wait: Seconds = LONGEST_WAIT, as_json: AsJson = False
) -> None:
    """Give one module of the running monolith a process, a database and Kafka of its own, while orders arrive.

    While the monolith runs, Kafka starts, gets the events of all outboxes, and
    the module gets an empty database. Then requests wait in the accept queues
    for some seconds: the monolith ends, the last events and the rows of the
    module are copied and compared, and two processes go on with the sockets.
    No request fails. The command prints how long requests waited.

    With --back the same happens the other way round, and Kafka is removed.

    The command says which state you want. If it was killed, the same command
    finishes the move, and the command of the other direction undoes it. If a
    step fails, everything becomes as it was before.

    Only the embedded stack can do this: neither containers nor Kubernetes.

    Examples:

        shop up --as monolith

        shop emancipate payments

        shop check

        shop emancipate payments --back

        shop emancipate payments --json"""
    require_embedded()
    console = Console(highlight=False)
    with Progress(Console(stderr=True) if as_json else console) as progress:
        outcome = to_the_end(moved(module, back, longest_wait, progress.report))
    with all_the_same("The module is in its new place all the same: `shop status` shows it."):
        progress.require_a_reader()
        if as_json:
            typer.echo(json.dumps(facts(outcome), indent=2))
        else:
            console.print(sentence(outcome), soft_wrap=True)


def require_embedded() -> None:
    """Raise UserError if another shop than the embedded one is chosen."""
    if chosen_kind() is not TargetKind.EMBEDDED:
        raise UserError(
            "Only a module of the embedded shop can be taken out, neither in containers nor on Kubernetes: leave out "
            "`--target` (or unset SHOP_TARGET), and start `shop up --as monolith`."
        )


def to_the_end(move: Coroutine[Any, Any, Outcome]) -> Outcome:
    """The outcome of a move. If it is interrupted, the state of the shop is told, and KeyboardInterrupt is raised."""
    try:
        return asyncio.run(move)
    except KeyboardInterrupt:
        typer.echo(after_ctrl_c(journal.read(embedded.stack().state)), err=True)
        raise


async def moved(module: str, back: bool, longest_wait: float, report: embedded.Report) -> Outcome:
    """Move a module of the embedded shop, or finish or undo an interrupted move. Raises UserError."""
    return await run.emancipate(
        embedded.stack(), module, back=back, longest_wait=longest_wait, report=report, verify=wrong
    )


async def wrong(target: Target) -> list[str]:
    """What the oracle finds wrong now, one sentence each: the invariants that hold at every moment."""
    return (await look(target)).sentences


def after_ctrl_c(kept: Journal | None) -> str:
    """In which state a command that was interrupted has left the shop. `kept` is the move if it is unfinished."""
    return "Everything is as it was before." if kept is None else kept.sentence


def facts(outcome: Outcome) -> Mapping[str, Any]:
    """The outcome for programs."""
    return {
        "module": outcome.module,
        "shape": outcome.shape.text,
        "saga": outcome.shape.saga,
        "seconds": round(outcome.seconds, 3),
        "requests_waited_seconds": None if outcome.waited is None else round(outcome.waited, 3),
        "events_sent": outcome.sent,
        "rows_copied": outcome.copied,
        "resumed": outcome.is_resumed,
        "undone": outcome.is_undone,
    }


def sentence(outcome: Outcome) -> str:
    """The outcome for a person, with the next commands."""
    if outcome.is_undone:
        return f"The interrupted move of {outcome.module} is undone: the shop is {outcome.shape} again."
    direction = "is a service of its own" if outcome.shape.has_kafka else "is in the monolith again"
    finished = "The interrupted move is finished. " if outcome.is_resumed else ""
    undo = "" if not outcome.shape.has_kafka else f" `shop emancipate {outcome.module} --back` puts it back."
    return (
        f"{finished}{outcome.module} {direction} after {outcome.seconds:.1f} s: {outcome.copied} rows were copied, and "
        f"requests {how_long(outcome.waited)}.{undo} `shop check` asks the oracle."
    )
