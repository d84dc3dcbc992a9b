"""The command `shop logs`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from shop_stack import embedded
from shop_stack.errors import UserError


def logs(
    service: Annotated[str, typer.Argument(help="A service, or postgres, kafka, spans, processor, issuer.")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Keep printing until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many lines to print.")] = 50,
) -> None:
    """Print the last lines of a process's log.

    A module of a group has the log of its process, such as `monolith`."""
    stack = embedded.stack()
    unit = stack.database_of(service) if service in stack.services else service
    if unit != service:
        typer.echo(
            f"{service} is a module of the process {unit}: its log has the lines of all modules.", err=True
        )
    file = stack.daemon(unit).log
    if not file.exists():
        known = sorted(path.stem for path in (stack.state / "logs").glob("*.log"))
        cure = f"choose one of {', '.join(known)}" if known else "start the shop with `shop up`"
        raise UserError(f"There is no log of {service!r}: {cure}.")
    end = file.stat().st_size
    if tail := stack.daemon(unit).tail(lines):
        typer.echo(tail)
    if follow:
        _follow(file, end)


def _follow(file: Path, position: int) -> None:
    with file.open("rb") as stream:
        stream.seek(position)
        while True:
            if chunk := stream.read():
                typer.echo(chunk.decode(errors="replace"), nl=False)
            else:
                time.sleep(0.2)
