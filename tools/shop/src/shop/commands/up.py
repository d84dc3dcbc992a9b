"""`shop up`: the whole shop on this machine."""

from __future__ import annotations

import asyncio
import time

from rich.console import Console
from rich.table import Table

from shop.commands.progress import Progress
from shop.output import all_the_same
from shop_stack import embedded
from shop_stack.target import Target

console = Console()


def up() -> None:
    """Start every part that does not run, wait until all are ready, and print the addresses."""
    began = time.monotonic()
    with Progress(console) as progress:
        target = asyncio.run(embedded.up(embedded.stack(), progress.report))
    with all_the_same("The shop is up all the same: `shop status` shows it, `shop down` stops it."):
        progress.require_a_reader()
        tell(target, time.monotonic() - began)


def tell(target: Target, seconds: float) -> None:
    """What a person wants to know of a shop that has just started."""
    console.print(f"The shop is open after {seconds:.1f} s.", style="bold green")
    console.print(addresses(target))
    console.print("Next: `shop demo`, `shop status`, `shop logs orders -f`; `shop down` stops everything.")


def addresses(target: Target) -> Table:
    """Where a person finds each part."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, url in target.service_urls.items():
        table.add_row(name, f"{url}/docs")
    table.add_row("processor", f"{target.processor_url}/docs")
    table.add_row("kafka", target.kafka)
    table.add_row("databases", f"see database_urls in {target.state / 'stack.json'}")
    return table
