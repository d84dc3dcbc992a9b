"""The command `shop send`: one record by hand, also a malformed, foreign or repeated one."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from shop_lab.hand_sent import Changes, HandMade, Sent, compose
from shop_lab.hand_sent import send as send_record
from shop_observe.timeline import shown
from shop_stack import embedded, target
from shop_stack.connect import TargetKind, chosen_kind
from shop_stack.errors import UserError
from shop_stack.parts import create_users
from shop_stack.rights import LAB
from shop_stack.stack import Stack

SEND_SECONDS = 30.0


def send(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="Its type, or its name: order-placed.")],
    example: Annotated[
        str, typer.Option(help="An example of contracts/events.", show_default="the first")
    ] = "",
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change the data; repeat it.")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Send it also if it breaks its schema.")] = False,
    twice: Annotated[bool, typer.Option("--twice", help="Send it twice, with one event id.")] = False,
    corrupt: Annotated[str, typer.Option(metavar="KIND", help="Make one fault in it; see below.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Send one record to the topic of an event, with the key and headers of the contract.

    The data is an example of the contract under a new key, so no order of yours
    is touched. Name the key with --set to touch one. It works on the embedded
    stack, where the login `lab` may write to every topic.

    Examples:

        shop send order-placed                an order that orders does not have

        shop send stock-reserved --set order_id=01985f0e-… --twice

        shop send order-placed --set lines.0.quantity=-1 --raw      it breaks its schema

        shop send payment-captured --corrupt wrong-source

    Kinds of --corrupt: a fault in the record is one of nul-in-header,
    header-name-not-text, header-value-not-text, no-headers, missing-attribute,
    odd-attribute, wrong-source, key-is-not-subject, random-bytes, no-value,
    unknown-type, empty-data, null-data, list-data, wrong-types, huge-version. A
    fault in its batch is wrong-checksum, random-batch or not-compressed."""
    if chosen_kind() is not TargetKind.EMBEDDED:
        raise UserError("`shop send` needs the embedded stack: elsewhere no login may write to every topic.")
    stack = embedded.stack()
    contracts = target.embedded(stack.state).contracts
    made = compose(contracts, event, Changes(example, sets or (), corrupt, raw))
    sent = asyncio.run(_send(stack, made, 2 if twice else 1))
    typer.echo(json.dumps(facts(made, sent), indent=2) if as_json else told(made, sent))


async def _send(stack: Stack, made: HandMade, times: int) -> Sent:
    await create_users(stack, [LAB])
    try:
        async with asyncio.timeout(SEND_SECONDS):
            return await send_record(stack.logins.of(LAB), made, times)
    except TimeoutError:
        raise UserError("Kafka does not answer: see `shop status`.") from None


def facts(made: HandMade, sent: Sent) -> dict[str, object]:
    """The result as JSON. `refused` is the broker's reason, or null."""
    return {
        "sent": [place._asdict() for place in sent.places],
        "refused": sent.refused or None,
        "key": key_of(made),
        "event_id": made.event.headers.get(b"ce_id", b"").decode(errors="replace") or None,
        "readers": list(made.readers),
        "next": next_command(made),
    }


def told(made: HandMade, sent: Sent) -> str:
    """The result for people: the place of each record, and the command that shows what became of it."""
    lines = [f"{place}    key {shown(key_of(made))}" for place in sent.places]
    if sent.refused:
        lines.append(f"The broker refused it ({sent.refused}): no reader gets it.")
    else:
        lines.append(f"Its readers are {', '.join(made.readers)}. What became of it: `{next_command(made)}`")
    return "\n".join(lines)


def key_of(made: HandMade) -> str:
    """The key as text; bytes that are not UTF-8 are replaced."""
    return (made.event.key or b"").decode(errors="replace")


def next_command(made: HandMade) -> str:
    """The command that shows whether a reader has refused the record."""
    key = key_of(made)
    return (
        f"shop dead-letters list --key {key}"
        if key.isascii() and key.isprintable()
        else "shop dead-letters list"
    )
