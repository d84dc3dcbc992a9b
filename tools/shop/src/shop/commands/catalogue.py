"""`shop catalogue`: the few products that a fresh shop offers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shop_load.catalogue import Offer, ensure_catalogue
from shop_observe.timeline import money
from shop_stack.connect import connect


def catalogue(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the catalogue of five products, and add the products that are missing.

    The examples in the READMEs order these products. `shop up` does the same
    at its end. It is safe to repeat: a product keeps its price and its stock.

    Examples:

        shop catalogue

        shop --target compose catalogue --json"""
    with connect() as target:
        offers = asyncio.run(ensure_catalogue(target))
    if as_json:
        typer.echo(json.dumps([asdict(offer) for offer in offers], indent=2))
    else:
        Console().print(catalogue_table(offers))


def catalogue_table(offers: Sequence[Offer]) -> Table:
    """A table of the products: price, pieces that can be ordered, name."""
    table = Table(box=None, pad_edge=False)
    table.add_column("product", no_wrap=True)
    table.add_column("price", justify="right", no_wrap=True)
    table.add_column("available", justify="right", no_wrap=True)
    table.add_column("name", overflow="fold")
    for offer in offers:
        price = money({"amount_minor": offer.amount_minor, "currency": offer.currency})
        table.add_row(offer.sku, price, f"{offer.available:,}", offer.name)
    return table
