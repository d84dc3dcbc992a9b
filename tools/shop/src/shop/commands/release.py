"""`shop release`: makes a release of one service out of the last commit, and lists the releases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from shop_contracts.releases.make import make
from shop_contracts.releases.model import Release
from shop_contracts.releases.release import all_of, services
from shop_stack.paths import repository

MAKE = "make"


class MakesByDefault(TyperGroup):
    """`shop release SERVICE` is the short form of `shop release make SERVICE`."""

    default_command = MAKE

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command before arguments that begin with no command."""
        if args and args[0] not in self.commands and args[0] not in self.get_help_option_names(ctx):
            args = [self.default_command, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=MakesByDefault, no_args_is_help=True)


@app.callback()
def release() -> None:
    """Make a release of a service (`shop release SERVICE`), or list the releases."""


@app.command(MAKE)
def make_command(
    service: Annotated[str, typer.Argument(help="The service to release.", metavar="SERVICE")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a release of a service: releases/SERVICE/VERSION.toml.

    A release is the last commit of this clone, as far as it concerns the
    service: its folder, the chassis and the contracts. The version is the one in
    services/SERVICE/pyproject.toml. The texts of its events and of its API are
    frozen in contracts/, if they differ from the last released ones.

    It refuses uncommitted files that belong to the release, and a version that
    exists already. Commit the files that it writes.

    `make` may be left out.

    Examples:

        shop release make orders

        shop release orders"""
    root = repository()
    made, files = make(root, service, datetime.now(UTC).date())
    names = [str(file.relative_to(root)) for file in files]
    if as_json:
        facts = {"service": made.service, "version": made.version, "commit": made.commit, "files": names}
        typer.echo(json.dumps(facts, indent=2))
        return
    typer.echo(f"{made.service} {made.version} is released, out of the commit {made.commit[:12]}.")
    for name in names:
        typer.echo(f"  wrote {name}")
    typer.echo("Next: commit these files, then `shop can-i-deploy " + f"{made.service} {made.version}`.")


@app.command("list")
def list_command(
    service: Annotated[
        str | None, typer.Argument(help="The service; without it all services.", metavar="SERVICE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the releases of each service, oldest first: date, commit and last migration.

    Each file is compared with its commit before.

    Examples:

        shop release list orders

        shop release list --json | jq -r '.[] | select(.service == "orders") | .version'"""
    root = repository()
    found = [release for name in ([service] if service else services(root)) for release in all_of(root, name)]
    if as_json:
        typer.echo(json.dumps([facts(release) for release in found], indent=2))
    else:
        Console(highlight=False).print(table(found))


def facts(release: Release) -> dict[str, str]:
    """A release for programs."""
    return {
        "service": release.service,
        "version": release.version,
        "date": release.date.isoformat(),
        "commit": release.commit,
        "last_migration": release.migrations.head,
    }


def table(releases: Sequence[Release]) -> Table:
    """A row for each release."""
    found = Table(box=None, pad_edge=False)
    for heading in ("service", "version", "date", "commit", "last migration"):
        found.add_column(heading, overflow="fold")
    for release in releases:
        shown = facts(release) | {"commit": release.commit[:12]}
        found.add_row(*shown.values())
    return found
