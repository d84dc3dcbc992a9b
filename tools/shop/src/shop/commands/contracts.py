"""`shop contracts`: what a change of contracts/, or of a service's tables, breaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console
from rich.table import Table

from shop_contracts.apis import gate as apis
from shop_contracts.compatibility.gate import Verdict, check
from shop_contracts.contracts import Contracts
from shop_contracts.migrations import check as migrations
from shop_stack.paths import repository

app = typer.Typer(help="What a change of contracts/ or of tables breaks.", no_args_is_help=True)


@app.callback()
def contracts() -> None:
    """Says what a change of contracts/ or of tables breaks."""


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
    print_findings(table, verdicts)


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
    print_findings(table, verdicts)


@app.command("migrations")
def migrations_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Judge the migrations that are newer than the last release of their service.

    The previous release must be able to run on the new tables: it runs beside the
    new one, and alone after a rollback. So the new migrations run in a scratch
    database, and its catalog is compared before and after. squawk looks for locks
    that stop a service. The exit code is 1 if a migration is refused: each finding
    has its way out.

    Examples:

        shop contracts migrations

        shop contracts migrations --json"""
    verdicts = asyncio.run(migrations.check(repository()))
    if as_json:
        typer.echo(json.dumps([verdict.as_json() for verdict in verdicts], indent=2))
    else:
        show_migrations(verdicts)
    raise typer.Exit(1 if any(verdict.findings for verdict in verdicts) else 0)


def show_migrations(verdicts: list[migrations.Verdict]) -> None:
    """A table of services, and a sentence for each finding below it."""
    table = Table(box=None, pad_edge=False)
    for heading in ("service", "last release", "new migrations", "verdict"):
        table.add_column(heading, overflow="fold")
    for verdict in verdicts:
        told = f"{len(verdict.findings)} refused" if verdict.findings else "the last release can run"
        table.add_row(
            verdict.service, verdict.previous_release or "none", ", ".join(verdict.new) or "none", told
        )
    print_findings(table, verdicts)


class Judged(Protocol):
    """A verdict with findings."""

    @property
    def findings(self) -> Sequence[Any]:
        """What was found; each finding has a `sentence`."""


def print_findings(table: Table, verdicts: Iterable[Judged]) -> None:
    """Print the table, and below it a sentence for each finding."""
    console = Console(highlight=False)
    console.print(table)
    for verdict in verdicts:
        for finding in verdict.findings:
            console.print(f"\n{finding.sentence}", soft_wrap=True, markup=False)
