"""The commands `shop dead-letters` and `shop republish`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

import typer

from shop.letters import clock
from shop.rows import Limit, Row, print_rows, rows_of
from shop_observe.timeline import shown
from shop_stack import admin
from shop_stack.admin import ask
from shop_stack.connect import connect
from shop_stack.errors import UserError

app = typer.Typer(
    help="Events that services could not handle: list, show, redrive, discard.", no_args_is_help=True
)

Service = Annotated[
    str, typer.Argument(help="The service that could not handle the event.", metavar="SERVICE")
]
Letter = Annotated[int | None, typer.Option("--id", help="One dead letter, by its id.")]
Key = Annotated[str | None, typer.Option(help="All open dead letters of a key: an order's id, or a SKU.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

NEXT = (
    "Next: `shop dead-letters show SERVICE ID`, then `redrive SERVICE --id ID` or `discard SERVICE --id ID`."
)


@app.command("list")
def list_letters(
    service: Annotated[str | None, typer.Argument(help="Only the dead letters of this service.")] = None,
    key: Key = None,
    state: Annotated[
        str, typer.Option(help="open, all, HELD, WAITING, PARKED, REDRIVEN or DISCARDED.")
    ] = "open",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List dead letters, oldest first.

    HELD: the event failed, and later events of its key wait for it. WAITING: the
    event waits for a HELD one. PARKED: the message is not an event that the
    service reads, and no event waits for it.

    If a service has more than --limit rows, the end of the list says so. In JSON
    the member `cut` names such services.

    Exit code 1 if a service does not answer: the list has the other services.

    Examples:

        shop dead-letters list

        shop dead-letters list payments --state all --json"""
    found = rows_of(service, "/dead-letters", {"state": state, **({"key": key} if key else {})}, limit)
    print_rows(found, reason_of, as_json, "No dead letters.", NEXT)


@app.command()
def show(
    service: Service, letter: Annotated[int, typer.Argument(help="The id of the dead letter.", metavar="ID")]
) -> None:
    """Show one dead letter with its headers and its data.

    The data may be confidential, for example a payment token.

    Example:

        shop dead-letters show payments 7"""
    with connect() as target:
        typer.echo(json.dumps(ask(target, service, "GET", f"/dead-letters/{letter}"), indent=2))


@app.command()
def redrive(
    service: Service,
    letter: Letter = None,
    key: Key = None,
    everything: Annotated[bool, typer.Option("--all", help="All open dead letters of the service.")] = False,
) -> None:
    """Handle dead letters again, in the order of their key.

    It is safe to repeat: an event that was handled has no second effect. Exit
    code 1 if one of them failed again, or if --all did not reach all of them.

    Examples:

        shop dead-letters redrive payments --key 01a207af-3c26-70e9-84db-827b769c8a55

        shop dead-letters redrive payments --id 7

        shop dead-letters redrive payments --all      after a fault of the service was mended"""
    if not everything:
        end("redrive", service, letter, key)
    elif letter is None and key is None:
        redrive_all(service)
    else:
        raise UserError("Name the dead letters with --all, or with one of --id and --key.")


@app.command()
def discard(service: Service, letter: Letter = None, key: Key = None) -> None:
    """Discard dead letters: their events are never handled.

    With --id, events that wait behind this one stay: redrive their key to handle them.

    Example:

        shop dead-letters discard payments --id 7"""
    end("discard", service, letter, key)


def republish(
    service: Annotated[
        str, typer.Argument(help="The service whose events are sent again.", metavar="SERVICE")
    ],
) -> None:
    """Send again every event that a service's outbox still has. Use it if Kafka has lost topics.

    A consumer that already has an event ignores it as a duplicate.

    Examples:

        shop republish orders

        for service in orders inventory payments notifications analytics; do shop republish $service; done"""
    with connect() as target:
        events = admin.republish(target, service)
    typer.echo(f"{service} sends {events} events again.")


def end(verb: str, service: str, letter: int | None, key: str | None) -> None:
    """Redrive or discard, and print the outcome. The exit code is 1 if an event failed again."""
    if (letter is None) == (key is None):
        raise UserError(
            "Name the dead letters with either --id or --key: `shop dead-letters list` shows both."
        )
    with connect() as target:
        outcome = ask(target, service, "POST", f"/dead-letters/{verb}", json={"id": letter, "key": key})
    typer.echo(f"{outcome['ended']} ended, {outcome['still_open']} still open.")
    if outcome["error"]:
        typer.echo(outcome["error"], err=True)
    raise typer.Exit(1 if outcome["error"] else 0)


def redrive_all(service: str) -> None:
    """Redrive every open dead letter of a service, and print the outcome. The exit code is 1 if one failed again."""
    with connect() as target:
        outcome = admin.redrive_all(target, service)
    typer.echo(f"{outcome.ended} ended, keys with open ones: {outcome.keys_left}.")
    if outcome.is_cut:
        typer.echo(
            f"{service} has more than {admin.MOST_ROWS - 1} open dead letters, and only the oldest were tried. "
            "Redrive or discard some of them by --key or --id, then try --all again.",
            err=True,
        )
    for error in outcome.errors:
        typer.echo(error, err=True)
    raise typer.Exit(1 if outcome.errors or outcome.is_cut else 0)


def reason_of(letter: Row) -> str:
    """The event's type, the time at which it became a dead letter, and the reason."""
    event = shown(letter["type"] or "no event")
    since = clock(datetime.fromisoformat(letter["created_at"]))
    return f"{event} since {since}, {letter['reason']}: {shown(letter['error'])}"
