"""Asks the admin APIs of services for rows, and prints them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from shop_observe.timeline import shown
from shop_stack.admin import MOST_ROWS, ask
from shop_stack.connect import connect
from shop_stack.errors import ServiceAway
from shop_stack.ports import SERVICES

Row = Mapping[str, Any]
Found = Mapping[str, Sequence[Row]]
"""Service → its rows."""
KEY_CHARACTERS = 500
"""The longest key that a service stores."""
MOST = MOST_ROWS - 1
"""The most rows of a service that a list can have. The admin API answers one more, which shows that there are more."""
Limit = Annotated[int, typer.Option(min=1, max=MOST, help="The most rows of each service to list.")]


@dataclass(frozen=True, slots=True)
class Listing:
    """The rows of each service that answered, and the error of each service that did not."""

    rows: Found
    errors: Mapping[str, ServiceAway]
    limit: int
    cut: Sequence[str]
    """The services that have more than `limit` rows. Only their first rows are in `rows`."""


def rows_of(service: str | None, path: str, asked: Mapping[str, str], limit: int) -> Listing:
    """The first `limit` rows that the admin API lists at `path`: of all services, or of the named one.

    Raises UserError if there is no service of this name, or if a service refuses what is `asked`.
    """
    found: dict[str, Sequence[Row]] = {}
    errors: dict[str, ServiceAway] = {}
    params = {**asked, "limit": str(limit + 1)}
    with connect() as target:
        for name in SERVICES if service is None else (service,):
            try:
                found[name] = ask(target, name, "GET", path, params=params)
            except ServiceAway as error:
                errors[name] = error
    cut = [name for name, rows in found.items() if len(rows) > limit]
    return Listing({name: rows[:limit] for name, rows in found.items()}, errors, limit, cut)


def print_rows(
    listing: Listing, reason_of: Callable[[Row], str], as_json: bool, if_none: str, cure: str
) -> None:
    """Print two lines per row, or all rows as JSON, in which a service that did not answer is `null`.

    If a service has more rows, the end says so. In JSON the member `cut` names these services.

    The first line has service, id, state and key. It is never cut off, because commands need id and key. The
    second line is `reason_of` the row. If no service has a row, `if_none` is printed, otherwise `cure` at the end.

    Raises ServiceAway after that if a service did not answer. Then `if_none` is not printed.
    """
    if as_json:
        cut = {"cut": listing.cut} if listing.cut else {}
        typer.echo(json.dumps({**listing.rows, **dict.fromkeys(listing.errors), **cut}, indent=2))
    elif any(listing.rows.values()):
        _print_table(listing.rows, reason_of, cure)
        if listing.cut:
            typer.echo(
                f"Only the first {listing.limit} rows of {', '.join(listing.cut)} are listed. "
                f"To see more, add --limit (up to {MOST}), or narrow the list (see --help)."
            )
    elif not listing.errors:
        typer.echo(if_none)
    if listing.errors:
        raise _joined(listing)


def _print_table(found: Found, reason_of: Callable[[Row], str], cure: str) -> None:
    console = Console(highlight=False)
    console.print(f"{'service':<13} {'id':>6}  {'state':<9}  key", style="bold")
    for service, rows in found.items():
        for row in rows:
            # The key or the type of a foreign record may contain brackets and terminal control characters.
            key = shown(row["key"], KEY_CHARACTERS) or "-"
            head = f"{service:<13} {row['id']:>6}  {row['state']:<9}  {key}"
            console.print(Text(head), soft_wrap=True)
            console.print(Text(f"  {reason_of(row)}", style="dim"), soft_wrap=True)
    console.print(cure)


def _joined(listing: Listing) -> ServiceAway:
    """One error for all services that did not answer. If others did, it says that the list is not complete."""
    reasons = [str(error) for error in listing.errors.values()]
    if listing.rows:
        reasons.insert(0, f"The list is not complete. It lacks {', '.join(listing.errors)}.")
    return ServiceAway("\n".join(reasons))
