"""The command `shop down`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from shop.commands.progress import Progress
from shop.output import all_the_same
from shop_stack import embedded, monitoring

console = Console()


def down(
    wipe: Annotated[
        bool,
        typer.Option(
            "--wipe", "--volumes", help="Also delete the databases, topics, ledger, spans and logs."
        ),
    ] = False,
) -> None:
    """Stop the services, then the processor and the servers. Data is kept unless --wipe is given."""
    with Progress(console) as progress:
        stack = embedded.stack()
        asyncio.run(monitoring.stop(stack))
        asyncio.run(embedded.down(stack, wipe=wipe, report=progress.report))
    with all_the_same("The shop is closed all the same."):
        progress.require_a_reader()
        console.print("The shop is closed." + (" Its data is deleted." if wipe else ""))
