"""The command `shop watch ORDER`."""

from __future__ import annotations

import asyncio
import uuid
from typing import Annotated

import typer
from rich.console import Console

from shop.commands.check import seconds
from shop.story import JsonTeller, Story, Teller, TextTeller
from shop_stack.connect import connect
from shop_stack.errors import UserError


def order_id_of(text: str) -> str:
    """An order id in canonical form. Raises BadParameter if the text is not a UUID."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not an order id: `shop order` prints one.") from None


def watch(
    order: Annotated[str, typer.Argument(help="The order's id.", metavar="ORDER")],
    wait: Annotated[str, typer.Option(help="The longest time to wait for the next step.")] = "30s",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Print the events of an order while they happen, until its last step.

    Each line shows the time since the order was placed, the service, the event,
    and its cause. The events are read from the Kafka log without a consumer
    group, so that no service is affected.

    The last step is the message to the customer, or a refund. If a step does
    not come, or a service keeps a dead letter of the order, the exit code is 1,
    and the last line says what to do. A PENDING order may wait for its deadline.

    Examples:

        shop watch 01985f0e-…

        shop watch $(shop order --outcome cancelled)

        shop watch 01985f0e-… --wait 5s --json"""
    order_id = order_id_of(order)
    limit = seconds(wait)
    teller: Teller = JsonTeller(order_id) if as_json else TextTeller(Console(highlight=False))
    with connect() as target:
        outcome = asyncio.run(Story(target, order_id, teller, limit).follow())
    teller.end(outcome)
    if not outcome.complete:
        raise UserError(outcome.sentence)
