"""`shop release`: makes a release of one service out of the last commit."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from shop_contracts.releases.make import make
from shop_stack.paths import repository


def release(
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

    Example:

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
