"""The command `shop token`."""

from __future__ import annotations

from typing import Annotated

import typer

from shop_stack import logins
from shop_stack.connect import connect
from shop_stack.stack import PROCESSOR


def token(
    who: Annotated[
        str,
        typer.Argument(help="The login name of a customer such as c-ada, or clerk, operator or processor."),
    ],
) -> None:
    """Print a token with which WHO can call the services. It lasts for an hour.

    A customer places, reads and cancels the customer's own orders. The clerk changes products, prices and stock.
    The operator reads everything else, and calls the admin API. The token of processor is the key with which
    payments charges cards. It does not expire.

    Examples:

        curl -s localhost:18001/orders -H "Authorization: Bearer $(shop token c-ada)"

        curl -s localhost:18002/products -H "Authorization: Bearer $(shop token clerk)"

        curl -s localhost:18021/admin/dead-letters -H "Authorization: Bearer $(shop token operator)" """
    with connect() as target:
        typer.echo(target.processor_key if who == PROCESSOR else logins.token(target.issuer, who))
