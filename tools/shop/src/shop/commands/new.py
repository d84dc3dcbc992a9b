"""`shop new service`: writes a new service from a template."""

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
    """Write a complete service: code, tables, tests, contracts, manifests.

    It reads one event (orders.order-confirmed.v1), has one table, publishes one event through the outbox, and answers
    one HTTP GET. It is the smallest service that has every part. `make lint` and its tests pass as it is written.
    Replace its subject by yours, one file after another.

    The command also adds the service's name to every file that names each service. It changes only files without
    uncommitted changes, so git can undo all its changes.

    Example:

        shop new service billing
    """
    # Imported only here: the import of copier would slow down every other command.
    from shop.new_service.write import new_service

    report(new_service(name))


def report(written: Written) -> None:
    """Print the files that were written, and the commands to run next."""
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

Undo it before the commit: git checkout . && git clean -d --force .github contracts deploy && rm -r services/{name}
Then make it yours: docs/tutorials/add-a-service.md""")
