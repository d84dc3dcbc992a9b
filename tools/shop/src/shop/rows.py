"""Prints the rows that the admin APIs of services list."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from shop_observe.timeline import shown
from shop_stack.admin import require_service
from shop_stack.ports import SERVICES

Row = Mapping[str, Any]
Found = Mapping[str, Sequence[Row]]
"""Service → its rows."""
KEY_CHARACTERS = 500
"""The longest key that a service stores."""


def chosen(service: str | None) -> tuple[str, ...]:
    """All services, or the named one. Raises UserError if there is no service of this name."""
    if service is None:
        return SERVICES
    require_service(service)
    return (service,)


def print_rows(found: Found, reason_of: Callable[[Row], str], as_json: bool, if_none: str, cure: str) -> None:
    """Print two lines per row, or all rows as JSON.

    The first line has service, id, state and key. It is never cut off, because commands need id and key. The
    second line is `reason_of` the row. If no service has a row, `if_none` is printed, otherwise `cure` at the end.
    """
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    console = Console(highlight=False)
    if not any(found.values()):
        console.print(if_none)
        return
    console.print(f"{'service':<13} {'id':>6}  {'state':<9}  key", style="bold")
    for service, rows in found.items():
        for row in rows:
            # The key or the type of a foreign record may contain brackets and terminal control characters.
            key = shown(row["key"], KEY_CHARACTERS) or "-"
            head = f"{service:<13} {row['id']:>6}  {row['state']:<9}  {key}"
            console.print(Text(head), soft_wrap=True)
            console.print(Text(f"  {reason_of(row)}", style="dim"), soft_wrap=True)
    console.print(cure)
