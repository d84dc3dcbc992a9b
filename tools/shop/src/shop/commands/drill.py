"""`shop drill`: one unknown fault in the running shop. You find it, cure it, and get a verdict."""

from __future__ import annotations

import asyncio
import json
import random
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console

from shop_chaos.drills import drill, looks, record
from shop_chaos.drills.judging import CURED, Judgement
from shop_chaos.drills.menu import CAUSES, chosen
from shop_stack.errors import UserError
from shop_stack.passwords import write_private
from shop_stack.paths import state_folder

app = typer.Typer(
    help="A blind drill: an unknown fault comes into your running shop. Find it, cure it, and be judged by orders and "
    "cents.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
VERDICT = "drill.json"
"""The file of the last verdict, in the folder of reports of the stack."""
LARGEST_SEED = 1_000_000
UNKNOWN = "-"


@app.command("start")
def start_command(
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same seed gives the same fault.", show_default="chance")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let customers order, and inject one unknown fault. It is in force when the command ends.

    Every part must be ready before. Customers place two orders a second until you
    answer. The times are counted from the end of this command: the time to detect
    ends at your first diagnostic command (status, why, logs, doctor, check,
    dead-letters, outbox, rights, trace or watch).

    Examples:

        shop drill start

        shop drill start --seed 7"""
    given = random.randrange(LARGEST_SEED) if seed is None else seed
    with Console(stderr=True).status("starting") as status:
        asyncio.run(drill.start(chosen(given), given, status.update))
    if as_json:
        typer.echo(json.dumps({"seed": given}))
        return
    typer.echo(
        f"Drill {given} is on: one part of the shop has a fault, and orders arrive. Begin with `shop status` and "
        "`shop why --all`. Cure it, then: shop drill answer --part PART --cause CAUSE"
    )


@app.command("status")
def status_command(as_json: AsJson = False) -> None:
    """Say how long the drill lasts, and how many orders were placed. It does not show the fault.

    Examples:

        shop drill status

        shop drill status --json"""
    present = record.require()
    watched = record.read_watched()
    facts = {
        "seed": present.seed,
        "seconds": round(time.time() - present.began, 1) if present.began else None,
        "orders_placed": watched.placed,
        "customers_came_again": watched.trouble or None,
        "wrong_answers": present.wrong_answers,
        "hints": present.hints,
    }
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    typer.echo(
        f"Drill {present.seed} is on for {facts['seconds']} s. {watched.placed} orders were placed, "
        f"{present.wrong_answers} answers were wrong, {present.hints} hints were given."
    )
    if watched.trouble:
        typer.echo(f"The customers had to begin again: {watched.trouble}")


@app.command("hint")
def hint_command(as_json: AsJson = False) -> None:
    """Give a hint: first the command that shows the fault, then its part. Hints are counted in the verdict.

    Example:

        shop drill hint"""
    found = drill.hint()
    typer.echo(json.dumps({"hint": found}) if as_json else found)


@app.command("answer")
def answer_command(
    part: Annotated[str, typer.Option(help="A service, or postgres, kafka, spans, processor, issuer.")],
    cause: Annotated[str, typer.Option(help="down, frozen, slow, rights or connections; see above.")],
    as_json: AsJson = False,
) -> None:
    """Name the fault. If you are right, your cure is judged, too.

    down: the part's process has ended. frozen: it lives and does nothing. slow:
    it is paused again and again. rights: Kafka refuses the part, which is the
    service that lost a right. connections: PostgreSQL refuses those of the part.

    The cure is judged by orders and cents: the fault is gone, the customers'
    orders have ended, and no invariant is violated. It must destroy nothing:
    no data is deleted, and at most two healthy parts were restarted.

    After a wrong answer, or before the cure, the drill goes on: answer again.
    Exit code 0 only if the verdict is `cured`. It is kept in report/drill.json in
    the folder of the shop (.shop).

    Examples:

        shop drill answer --part payments --cause frozen

        shop drill answer --part kafka --cause down --json"""
    with Console(stderr=True).status("judging") as status:
        judgement = asyncio.run(drill.answer(part, cause, status.update))
    if judgement is None:
        wrong = record.require().wrong_answers
        raise UserError(
            f"No: the fault is not {part}, {cause}. That is wrong answer {wrong}; the drill goes on."
        )
    tell(judgement, as_json)
    raise typer.Exit(0 if judgement.ruling == CURED else 1)


@app.command("stop")
def stop_command(as_json: AsJson = False) -> None:
    """Give up: undo the fault, send the customers away, and say what it was.

    It also cleans up after a drill whose commands were killed.

    Example:

        shop drill stop"""
    if record.read() is None and not looks.folder().exists():
        raise UserError("No drill is on: `shop drill start` begins one.")
    fault = asyncio.run(drill.stop())
    if as_json:
        typer.echo(json.dumps({"fault": fault or None}))
    else:
        typer.echo(f"The fault was {fault}. It is undone." if fault else "No fault was injected yet.")


def tell(judgement: Judgement, as_json: bool) -> None:
    """Keep a verdict as a file, and print it."""
    file = state_folder() / "report" / VERDICT
    file.parent.mkdir(parents=True, exist_ok=True)
    write_private(file, facts := facts_of(judgement))
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        print_judgement(judgement, Console(highlight=False))


def facts_of(judgement: Judgement) -> dict[str, Any]:
    """A verdict as JSON, with the time of the answer in ISO 8601."""
    return {"at": datetime.now(UTC).isoformat(), **judgement.as_json()}


def print_judgement(judgement: Judgement, console: Console) -> None:
    """Print a verdict: the diagnosis, the times, the orders and cents, what was restarted, and the reasons."""
    console.print(f"Right: {judgement.part}, {judgement.cause} ({CAUSES[judgement.cause]}).", soft_wrap=True)
    times = ", ".join(
        f"to {name} {UNKNOWN if taken is None else f'{taken:.1f} s'}"
        for name, taken in judgement.seconds.items()
    )
    console.print(f"Time {times}; {judgement.wrong_answers} wrong answers, {judgement.hints} hints.")
    if judgement.money is not None:
        console.print(f"{judgement.money.sentence}.", soft_wrap=True)
    if judgement.restarted:
        console.print(f"Started again: {', '.join(judgement.restarted)}.", soft_wrap=True)
    for reason in judgement.reasons:
        console.print(reason, style="red", soft_wrap=True, markup=False)
    more = "" if judgement.is_final else " The drill goes on: cure it, then answer again."
    console.print(f"Verdict: {judgement.ruling}.{more}", style="bold", soft_wrap=True)
