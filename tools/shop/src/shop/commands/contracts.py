"""`shop contracts`: what a change of contracts/ breaks."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shop_contracts.apis import gate as apis
from shop_contracts.compatibility.gate import Verdict, check
from shop_contracts.contracts import Contracts
from shop_stack.paths import repository

app = typer.Typer(help="What a change of contracts/ breaks.", no_args_is_help=True)


@app.callback()
def contracts() -> None:
    """Says what a change of contracts/ breaks."""


@app.command("check")
def check_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare each event with all of its released texts.

    A reader that was made for a released text must accept each message of today.
    The exit code is 1 if a change breaks that: each finding names the field, its
    readers, and the way out.

    Examples:

        shop contracts check

        shop contracts check --json"""
    verdicts = check(Contracts(repository()))
    broken = [verdict for verdict in verdicts if verdict.findings]
    if as_json:
        typer.echo(json.dumps([verdict.as_json() for verdict in verdicts], indent=2))
    else:
        show(verdicts)
    raise typer.Exit(1 if broken else 0)


def show(verdicts: list[Verdict]) -> None:
    """A table of events, and a sentence for each finding below it."""
    table = Table(box=None, pad_edge=False)
    for heading in ("event", "released texts", "verdict"):
        table.add_column(heading, overflow="fold")
    for verdict in verdicts:
        number = len(verdict.findings)
        told = f"{number} findings" if number != 1 else "1 finding"
        table.add_row(verdict.event, str(verdict.compared), told if number else "compatible")
    console = Console(highlight=False)
    console.print(table)
    for verdict in verdicts:
        for finding in verdict.findings:
            console.print(f"\n{finding.sentence}", soft_wrap=True, markup=False)


@app.command("apis")
def apis_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare each HTTP API with the last released text of its OpenAPI document.

    oasdiff compares them: `make check-apis` builds it with Go, then runs this
    command. The exit code is 1 if a client of the released text would break: each
    finding names the operation, the consumers that call it, and the way out.

    Examples:

        shop contracts apis

        shop contracts apis --json"""
    verdicts = apis.check(Contracts(repository()))
    if as_json:
        typer.echo(json.dumps([verdict.as_json() for verdict in verdicts], indent=2))
    else:
        show_apis(verdicts)
    raise typer.Exit(1 if any(verdict.findings for verdict in verdicts) else 0)


def show_apis(verdicts: list[apis.Verdict]) -> None:
    """A table of APIs, and a sentence for each finding below it."""
    table = Table(box=None, pad_edge=False)
    for heading in ("API", "released text", "verdict"):
        table.add_column(heading, overflow="fold")
    for verdict in verdicts:
        number = len(verdict.findings)
        told = f"{number} findings" if number != 1 else "1 finding"
        compared = str(verdict.compared) if verdict.compared else "none yet"
        table.add_row(verdict.api, compared, told if number else "compatible")
    console = Console(highlight=False)
    console.print(table)
    for verdict in verdicts:
        for finding in verdict.findings:
            console.print(f"\n{finding.sentence}", soft_wrap=True, markup=False)
