"""The command `shop floor`: the shop in a browser."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from shop_floor.serving import PORT_ABOVE_BASE, serve
from shop_stack import embedded
from shop_stack.connect import connect


def floor(
    port: Annotated[
        int | None,
        typer.Option(
            min=1024, max=65535, help="The port of the page.", show_default="that of the shop + 40: 18040"
        ),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser", help="Open the page in the browser, too.")] = False,
) -> None:
    """Show the shop in a browser: a map, one order, and what you may do by hand.

    It prints a link with a token, which is good once. The page is served on
    127.0.0.1 only. Kafka is read as a principal that may write nothing, and only
    while a page is open. End it with Ctrl-C.

    Examples:

        shop floor

        shop floor --browser

        shop --target compose floor --port 18099"""

    def tell(line: str) -> None:
        typer.echo(line)
        if browser and line.startswith("Open"):
            webbrowser.open(line.rpartition(" ")[2])

    with connect() as target:
        serve(target, port or embedded.stack().ports.base + PORT_ABOVE_BASE, tell)
