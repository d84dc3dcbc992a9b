"""The command `shop outbox`."""

from __future__ import annotations

from typing import Annotated

import typer

from shop.rows import Limit, Row, print_rows, rows_of
from shop_observe.timeline import shown
from shop_stack.admin import ask
from shop_stack.connect import connect
from shop_stack.errors import UserError

app = typer.Typer(
    help="Events that services could not send: list, send-again, give-up.", no_args_is_help=True
)

Service = Annotated[str, typer.Argument(help="The service that could not send the event.", metavar="SERVICE")]
RowId = Annotated[int | None, typer.Option("--id", help="One row, by its id.")]
Key = Annotated[str | None, typer.Option(help="All rows of a key: an order's id, or a SKU.")]
Topic = Annotated[str | None, typer.Option(help="All rows of a topic.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

NEXT = "Next: `shop outbox send-again SERVICE --id ID`, or `give-up`."


@app.command("list")
def list_rows(
    service: Annotated[str | None, typer.Argument(help="Only the rows of this service.")] = None,
    state: Annotated[str, typer.Option(help="open, all, DELAYED, REFUSED or GIVEN_UP.")] = "open",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List rows of the outbox that are set aside, oldest first.

    DELAYED: the relay tries it again later. REFUSED: the broker does not accept
    it, and later rows of its key wait for it. GIVEN_UP: it is never sent.

    If a service has more than --limit rows, the end of the list says so. In JSON
    the member `cut` names such services.

    Exit code 1 if a service does not answer: the list has the other services.

    Examples:

        shop outbox list

        shop outbox list payments --state REFUSED --json"""
    found = rows_of(service, "/outbox/set-aside", {"state": state}, limit)
    print_rows(found, reason_of, as_json, "No row is set aside.", NEXT)


def reason_of(row: Row) -> str:
    """The event's type, its topic, and the reason why it is not sent."""
    return f"{shown(row['type'] or 'a deleted row')} for {shown(row['topic'])}: {shown(row['error'] or '-')}"


@app.command("send-again")
def send_again(
    service: Service, row: RowId = None, key: Key = None, topic: Topic = None, as_json: AsJson = False
) -> None:
    """Try REFUSED rows again, before the later rows of their keys.

    If the broker refuses a row another time, it is REFUSED again.

    Examples:

        shop outbox send-again inventory --id 7

        shop outbox send-again inventory --topic inventory.reservation.v1"""
    count = end_refusals("send-again", service, row, key, topic)
    typer.echo(json_of(count) if as_json else f"{service} tries {count} rows again.")


@app.command("give-up")
def give_up(
    service: Service, row: RowId = None, key: Key = None, topic: Topic = None, as_json: AsJson = False
) -> None:
    """Give up REFUSED rows: they are never sent.

    The later rows of their keys are sent then. Readers of the topic never get the given-up event.

    Example:

        shop outbox give-up inventory --id 7"""
    count = end_refusals("give-up", service, row, key, topic)
    typer.echo(json_of(count) if as_json else f"{service} has given up {count} rows.")


def end_refusals(verb: str, service: str, row: int | None, key: str | None, topic: str | None) -> int:
    """Send refused rows again, or give them up. Returns the number of rows. Raises UserError if there are none."""
    if row is None and key is None and topic is None:
        raise UserError("Name the rows with --id, --key or --topic: `shop outbox list` shows all three.")
    which = {"id": row, "key": key, "topic": topic}
    with connect() as target:
        count: int = ask(target, service, "POST", f"/outbox/{verb}", json=which)["rows"]
    if count == 0:
        raise UserError(
            f"{service} has no such REFUSED row: `shop outbox list {service} --state all` shows its rows."
        )
    return count


def json_of(count: int) -> str:
    """The number of rows as JSON, in the form of the admin API."""
    return f'{{"rows": {count}}}'
