"""The command `shop stop`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from shop_stack import embedded


def stop(
    service: Annotated[str, typer.Argument(help="A service, or postgres, kafka, spans, processor, issuer.")],
) -> None:
    """Stop one process and leave the others running. `shop up` starts it again.

    Example:

        shop stop inventory"""
    asyncio.run(embedded.stop(embedded.stack(), service))
    typer.echo(f"{service} is stopped. `shop up` starts it again.")
