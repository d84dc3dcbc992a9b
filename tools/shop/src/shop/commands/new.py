"""`shop new service`: one more service, written from a template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from shop.new_service.write import Written

app = typer.Typer(help="Write new parts of the shop.", no_args_is_help=True)


@app.callback()
def new() -> None:
    """Write new parts of the shop."""


@app.command()
def service(
    name: Annotated[str, typer.Argument(help="3 to 20 letters from a to z, in one word: billing.")],
) -> None:
    """Write a service that is complete: code, tables, tests, contracts, manifests.

    It reads one event (orders.order-confirmed.v1), keeps one table, publishes one event by the outbox, and has one
    HTTP GET: the smallest service that has every part. `make lint` and its tests pass as it is written. Replace its
    subject by yours, one file after the other.

    The command also names the service in every file that names each of them. It changes only files without
    uncommitted changes, so git can take everything back.

    Example:

        shop new service billing
    """
    # Imported when it is needed: copier would slow down the start of every other command.
    from shop.new_service.write import new_service

    report(new_service(name))


def report(written: Written) -> None:
    """What was written, and what to type next."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]New[/] ({len(written.new)} files)")
    for path in written.new:
        console.print(f"  {escape(path)}")
    console.print(f"[bold]Changed[/] ({len(written.changed)} files)")
    for path in written.changed:
        console.print(f"  {escape(path)}")
    name = written.name
    console.print(f"""
[bold]Next[/]
  make lint                                   installs {name} into .venv, then style, types, imports
  .venv/bin/python -m pytest services/{name}
  .venv/bin/shop up                           starts {name} with the others, on port 180{written.port}
  git add --all && git commit

Take it back before the commit: git checkout . && git clean -d --force services contracts deploy
Then make it yours: docs/tutorials/add-a-service.md""")
