"""The command `shop backup`."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from shop_stack import archive, embedded, target


def backup(
    as_json: Annotated[bool, typer.Option("--json", help="Print the backup as JSON.")] = False,
) -> None:
    """Take a base backup of PostgreSQL, from which `shop restore` can go to any later time.

    The shop runs on meanwhile. It must have been started with `shop up --archive`.
    The three newest backups are kept, with the WAL since the oldest of them.

    Examples:

        shop up --archive      keeps the WAL from now on, and takes the first backup

        shop backup            a later one: a restore from it is faster"""
    stack = embedded.stack()
    archive.require_on(stack)
    target.embedded(stack.state)  # raises TargetMissing if the shop does not run
    made = asyncio.run(archive.back_up(stack))
    since = made.ended_at.isoformat().replace("+00:00", "Z")
    if as_json:
        typer.echo(json.dumps({"restorable_from": since, "folder": str(made.folder)}))
    else:
        typer.echo(
            f"The backup is complete: `shop restore SERVICE --to TIME` goes to any time from {since} on."
        )
