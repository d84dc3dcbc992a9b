"""`shop contracts`: what a change of contracts/, or of a service's tables, breaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console
from rich.table import Table

from shop_contracts.apis import gate as apis
from shop_contracts.compatibility.gate import Verdict, check
from shop_contracts.contracts import Contracts
from shop_contracts.migrations import check as migrations
from shop_contracts.releases.providers import require_providers
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
    contracts_of_today = Contracts(repository())
    require_providers(contracts_of_today)
    verdicts = check(contracts_of_today)
    tell(verdicts, table_of_events(verdicts), as_json)


def table_of_events(verdicts: list[Verdict]) -> Table:
    """A row for each event."""
    table = Table(box=None, pad_edge=False)
    for heading in ("event", "released texts", "verdict"):
        table.add_column(heading, overflow="fold")
    for verdict in verdicts:
        table.add_row(verdict.event, str(verdict.compared), compatibility(verdict))
    return table


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
    tell(verdicts, table_of_apis(verdicts), as_json)


def table_of_apis(verdicts: list[apis.Verdict]) -> Table:
    """A row for each API."""
    table = Table(box=None, pad_edge=False)
    for heading in ("API", "released text", "verdict"):
        table.add_column(heading, overflow="fold")
    for verdict in verdicts:
        compared = str(verdict.compared) if verdict.compared else "none yet"
        table.add_row(verdict.api, compared, compatibility(verdict))
    return table


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
    tell(verdicts, table_of_migrations(verdicts), as_json)


def table_of_migrations(verdicts: list[migrations.Verdict]) -> Table:
    """A row for each service."""
    table = Table(box=None, pad_edge=False)
    for heading in ("service", "last release", "new migrations", "verdict"):
        table.add_column(heading, overflow="fold")
    for verdict in verdicts:
        told = f"{len(verdict.findings)} refused" if verdict.findings else "the last release can run"
        table.add_row(
            verdict.service, verdict.previous_release or "none", ", ".join(verdict.new) or "none", told
        )
    return table


class Judged(Protocol):
    """A verdict with findings."""

    @property
    def findings(self) -> Sequence[Any]:
        """What was found; each finding has a `sentence`."""

    def as_json(self) -> dict[str, Any]:
        """The verdict for programs."""


def compatibility(verdict: Judged) -> str:
    """The verdict in a word or two."""
    number = len(verdict.findings)
    if not number:
        return "compatible"
    return "1 finding" if number == 1 else f"{number} findings"


def tell(verdicts: Sequence[Judged], table: Table, as_json: bool) -> None:
    """Print the table and a sentence for each finding, or JSON. The exit code is 1 if there is a finding."""
    if as_json:
        typer.echo(json.dumps([verdict.as_json() for verdict in verdicts], indent=2))
    else:
        console = Console(highlight=False)
        console.print(table)
        for verdict in verdicts:
            for finding in verdict.findings:
                console.print(f"\n{finding.sentence}", soft_wrap=True, markup=False)
    raise typer.Exit(1 if any(verdict.findings for verdict in verdicts) else 0)
