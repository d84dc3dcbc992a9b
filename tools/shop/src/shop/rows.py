"""Rows that the admin APIs of services list, as the commands print them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shop_observe.timeline import shown
from shop_stack.admin import require_service
from shop_stack.ports import SERVICES

Found = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows by the service that has them."""


def chosen(service: str | None) -> tuple[str, ...]:
    """All services, or the one that is named. Raises UserError if there is none of that name."""
    if service is None:
        return SERVICES
    require_service(service)
    return (service,)


def print_rows(found: Found, columns: Iterable[str], as_json: bool, if_none: str) -> None:
    """Print rows as a table of `columns`, or all of them as JSON. `if_none` is printed if no service has a row."""
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    Console().print(_table_of(found, tuple(columns)) if any(found.values()) else if_none)


def _table_of(found: Found, columns: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("service", *columns):
        table.add_column(column)
    for service, rows in found.items():
        for row in rows:
            # A key or a type of a foreign record may hold brackets, and what moves the cursor.
            table.add_row(service, *(Text(shown(str(row[column] or "-"))) for column in columns))
    return table
