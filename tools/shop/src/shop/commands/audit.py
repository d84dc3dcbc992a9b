"""The command `shop audit`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shop.supply import audit as examination
from shop.supply.audit import Audit
from shop_stack.paths import repository

NOT_CHECKED = 3
"""The exit code where no vulnerability is known, and something was not checked."""


def audit(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Ask for known vulnerabilities of every version in every lock.

    pip-audit asks the vulnerability service of the Python package index. It sends
    names and versions, and installs nothing. `make audit` installs pip-audit first.

    Exit code 0 if every version was checked and none is vulnerable, 1 if one is,
    3 if none is known to be and some were not checked. "Not checked" is no pass:
    the service is not reachable, or it does not know the package.

    To mend a vulnerability, lock a version that has the fix:
    `make lock ARGS=--upgrade`.

    Examples:

        shop audit

        shop audit --json | jq .vulnerabilities"""
    result = examination.audit(repository())
    if as_json:
        typer.echo(json.dumps(asdict(result), indent=2))
    else:
        show(result, Console(highlight=False))
    raise typer.Exit(exit_code(result))


def show(result: Audit, console: Console) -> None:
    """Print the vulnerabilities as a table, one line for each lock or package not checked, and the sum."""
    if result.vulnerabilities:
        table = Table(box=None, pad_edge=False)
        for column in ("lock", "package", "version", "vulnerability", "fixed in"):
            table.add_column(column, overflow="fold")
        for one in result.vulnerabilities:
            table.add_row(one.lock, one.package, one.version, one.id, ", ".join(one.fixed_in) or "no release")
        console.print(table)
    for miss in result.not_checked:
        about = f"{miss.lock}: {miss.package}" if miss.package else miss.lock
        console.print(f"{about}: not checked: {miss.reason}", markup=False, soft_wrap=True)
    known = f"{len(result.vulnerabilities)} known vulnerabilities"
    missed = f"{len(result.not_checked)} not checked (see above)"
    console.print(f"{result.checked:,} locked versions checked: {known}, {missed}.")


def exit_code(result: Audit) -> int:
    """0 if all was checked and nothing found, 1 if a vulnerability was found, 3 if something was not checked."""
    if result.vulnerabilities:
        return 1
    return NOT_CHECKED if result.not_checked or result.checked == 0 else 0
