"""`shop who-reads`: the consumers of an event, or of one field of it."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shop_contracts.answer.running import running
from shop_contracts.contracts import Contracts
from shop_contracts.readers import Reader, Readers, who_reads
from shop_stack.connect import connect
from shop_stack.errors import UserError
from shop_stack.paths import repository
from shop_stack.target import TargetMissing


def who_reads_command(
    event: Annotated[
        str, typer.Argument(help="An event: order-confirmed, or its whole type.", metavar="EVENT")
    ],
    field: Annotated[str, typer.Option(help="Only the readers of this field: total, lines[].sku.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show who reads an event, or one field of it: the question before a change.

    Consumers have written down what they read in contracts/consumers. A consumer
    that has not may read each field. If a shop runs, the table has the versions
    that it runs.

    Examples:

        shop who-reads order-confirmed

        shop who-reads orders.order-confirmed.v1 --field total --json"""
    found = who_reads(Contracts(repository()), event, field, deployed())
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
        return
    console = Console(highlight=False)
    if found.readers:
        console.print(table(found))
    console.print(found.sentence, soft_wrap=True, markup=False)


def deployed() -> dict[str, str]:
    """Service → the version that runs; empty if no shop runs."""
    try:
        with connect() as target:
            found = asyncio.run(running(target))
    except (TargetMissing, UserError):
        return {}
    return {service: one.version for service, one in found.items() if not one.silent}


def table(found: Readers) -> Table:
    """One row for each consumer."""
    shown = Table(box=None, pad_edge=False)
    for heading in ("consumer", "deployed", "fields"):
        shown.add_column(heading, overflow="fold")
    for reader in found.readers:
        pending = " (pending)" if reader.pending else ""
        shown.add_row(reader.consumer, reader.deployed or "-", fields_of(reader) + pending)
    return shown


def fields_of(reader: Reader) -> str:
    """The fields that a consumer reads, in one text."""
    if reader.fields is None:
        return "not written down: maybe each of them"
    return ", ".join([*reader.fields, *(f"{field} (if present)" for field in reader.if_present)])
