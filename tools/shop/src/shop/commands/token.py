"""The command `shop token`."""

from __future__ import annotations

from typing import Annotated

import typer

from shop_stack import logins
from shop_stack.connect import connect
from shop_stack.errors import UserError
from shop_stack.stack import PROCESSOR

PERSONS = (logins.CLERK, logins.OPERATOR)
CUSTOMERS_BEGIN_WITH = "c-"


def token(
    who: Annotated[
        str,
        typer.Argument(help="The login name of a customer such as c-ada, or clerk, operator or processor."),
    ],
    name: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="NAME",
            envvar=logins.PERSON,
            help="The person who acts as clerk or operator. Audit lines have it.",
        ),
    ] = "",
) -> None:
    """Print a token with which WHO can call the services. It lasts for an hour.

    A customer places, reads and cancels the customer's own orders. The clerk changes products, prices and stock.
    The operator reads everything else, and calls the admin API. The token of processor is the key with which
    payments charges cards. It does not expire.

    With --as the subject of the token is operator:NAME. The issuer believes the name: it has no login for people.

    Examples:

        curl -s localhost:18001/orders -H "Authorization: Bearer $(shop token c-ada)"

        curl -s localhost:18002/products -H "Authorization: Bearer $(shop token clerk)"

        curl -s localhost:18021/admin/dead-letters -H "Authorization: Bearer $(shop token operator --as ada)" """
    subject = subject_of(who, name)
    with connect() as target:
        typer.echo(target.processor_key if who == PROCESSOR else logins.token(target.issuer, subject))


def subject_of(who: str, name: str) -> str:
    """Whose token is asked for. Raises UserError if `who` is neither a role nor looks like a customer."""
    if who in PERSONS:
        return f"{who}:{name}" if name else who
    if who != PROCESSOR and not who.startswith(CUSTOMERS_BEGIN_WITH) and "@" not in who:
        raise UserError(
            f"There is no role {who!r}: name clerk, operator or processor, or a customer, "
            f"whose login name begins with {CUSTOMERS_BEGIN_WITH} or has an @."
        )
    return who
