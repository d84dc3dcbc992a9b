"""The command `shop restart`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from shop_stack import embedded, target


def restart(
    service: Annotated[str, typer.Argument(help="A service, or postgres, kafka, spans, processor, issuer.")],
    kill: Annotated[bool, typer.Option("--kill", help="Kill it with kill -9, as in a crash.")] = False,
) -> None:
    """Restart one process and wait until it is ready. A service applies its new migrations first."""
    stack = embedded.stack()
    embedded.require_known(stack, service)
    # Raises TargetMissing if the shop does not run: without the other parts, this one would not become ready.
    target.embedded(stack.state)
    seconds = asyncio.run(embedded.restart(stack, service, hard=kill))
    typer.echo(f"{service} is ready again, {seconds:.1f} s after its start.")
