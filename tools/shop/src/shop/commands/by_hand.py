"""The commands `shop start`, `stop`, `freeze`, `slow` and `resume`: what a tester does to one part by hand."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from shop.commands.check import seconds
from shop_stack import embedded, hands, target
from shop_stack.errors import UserError
from shop_stack.hands import Act
from shop_stack.stack import Stack

Part = Annotated[
    str,
    typer.Argument(metavar="PART", help="A service, or postgres, kafka, spans, processor, issuer."),
]


def start(part: Part) -> None:
    """Start one part that does not run, and wait until it is ready.

    Example:

        shop start inventory"""
    stack = running_stack(part)
    if stack.daemon(part).process() is not None:
        raise UserError(
            f"{part} runs already: `shop status` shows it, and `shop restart {part}` restarts it."
        )
    asyncio.run(embedded.start(stack, part))
    typer.echo(f"{part} is started.")


def stop(part: Part) -> None:
    """Stop one part by an orderly shutdown, and leave the others running.

    Examples:

        shop stop inventory      then `shop start inventory`

        shop stop postgres       all databases are unavailable

        shop restart inventory --kill      a crash instead of an orderly shutdown"""
    stack = running_stack(part)
    if stack.daemon(part).process() is None:
        raise UserError(f"{part} does not run: `shop start {part}` starts it.")
    asyncio.run(embedded.stop(stack, part))
    hands.mark_stopped(stack, part)
    typer.echo(f"{part} is stopped. `shop start {part}` starts it again.")


def freeze(part: Part) -> None:
    """Freeze one part with SIGSTOP: it lives and accepts connections, but it does not answer.

    Freeze a service for longer than 10 s, and the broker gives its partitions to
    another process of the service. `shop down` works on a frozen part, too.

    Examples:

        shop freeze payments      then `shop resume payments`

        shop freeze postgres      a server that is silent, on every connection"""
    stack = running_stack(part)
    hands.freeze(stack, part)
    typer.echo(f"{part} is frozen. `shop resume {part}` lets it run again.")


def slow(
    part: Part,
    pause: Annotated[str, typer.Option(help="How long it is frozen each time.")] = "0.3s",
) -> None:
    """Slow one part down: it is frozen for a pause, runs for 0.05 s, and so on.

    Most requests to it take up to one pause longer.

    Examples:

        shop slow processor                each charge takes longer

        shop slow postgres --pause 1s      then `shop resume postgres`"""
    length = seconds(pause)
    stack = running_stack(part)
    hands.slow(stack, part, length)
    typer.echo(f"{part} is slow. `shop resume {part}` lets it run again without pauses.")


def resume(part: Part) -> None:
    """Let a frozen or slow part run again.

    Example:

        shop resume payments"""
    stack = running_stack(part)
    match hands.act_on(stack, part):
        case Act.STOPPED:
            raise UserError(f"{part} is stopped: `shop start {part}` starts it.")
        case Act.NONE:
            raise UserError(f"{part} is neither frozen nor slow: `shop status` shows what every part does.")
    asyncio.run(hands.resume(stack, part))
    typer.echo(f"{part} runs again.")


def running_stack(part: str) -> Stack:
    """The embedded stack, if it runs and has this part. Raises UserError or TargetMissing."""
    stack = embedded.stack()
    embedded.require_known(stack, part)
    # Raises TargetMissing if the shop does not run: without the other parts, this one could do no work.
    target.embedded(stack.state)
    return stack
