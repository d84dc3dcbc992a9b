"""The command `shop restart`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from shop.commands.by_hand import Part, running_stack
from shop_stack import embedded


def restart(
    part: Part,
    kill: Annotated[bool, typer.Option("--kill", help="Kill it with kill -9, as in a crash.")] = False,
) -> None:
    """Restart one process and wait until it is ready. A service applies its new migrations first."""
    seconds = asyncio.run(embedded.restart(running_stack(part), part, hard=kill))
    typer.echo(f"{part} is ready again, {seconds:.1f} s after its start.")
