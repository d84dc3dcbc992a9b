"""`shop can-i-deploy`: whether one release can be deployed while everything else stays as it is."""

from __future__ import annotations

import asyncio
import json
import os
import re
from dataclasses import replace
from itertools import groupby
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shop_contracts.answer.matrix import Answer, Row, Verdict, without_ids
from shop_contracts.answer.question import can_deploy
from shop_contracts.releases.release import newest, read
from shop_observe.timeline import shown
from shop_stack.connect import VARIABLE, TargetKind, connect
from shop_stack.paths import repository

MOST_SHOWN = 200
"""The longest text of a message that is shown."""
COMMIT = re.compile(r"\+([0-9a-f]{7})[0-9a-f]+$")
COLOURS = {Verdict.YES: "green", Verdict.NO: "bold red", Verdict.PENDING: "yellow"}


Version = Annotated[
    str | None,
    typer.Argument(help="The release, such as 0.2.0; without it the newest one.", metavar="VERSION"),
]
To = Annotated[
    TargetKind | None, typer.Option(help="The shop to deploy to; without it that of `shop --target`.")
]


def can_i_deploy(
    service: Annotated[str, typer.Argument(help="The service.", metavar="SERVICE")],
    version: Version = None,
    to: To = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say whether a release can be deployed while everything else stays as it is.

    Each service is asked which release it runs. A row of the table is one event
    or request that the release shares with one of them, in one direction, or one
    type of stored messages: in topics, unsent in outboxes, in open dead letters.
    An event type that a reader of its topic does not know is a no. So are tables
    that are too far ahead of the release.

    A pair that was never verified is verified now, by the provider's own tests
    in its own environment. That takes minutes at most; the outcome is kept.
    Exit code 0: yes. Exit code 1: no, or it could not be found out.

    Examples:

        shop can-i-deploy orders --json | jq -r .sentence

        shop can-i-deploy orders 0.2.0 --to embedded"""
    if to is not None:
        os.environ[VARIABLE] = to
    root = repository()
    release = read(root, service, version or newest(root, service))
    console = Console(stderr=True, highlight=False)
    with connect() as target, console.status("asking what runs") as status:

        def on_step(step: str) -> None:
            status.update(shown(step, MOST_SHOWN))

        answer = asyncio.run(can_deploy(root, release, target, on_step))
    if as_json:
        typer.echo(json.dumps(answer.as_json(), indent=2))
    else:
        show(answer, Console(highlight=False))
    raise typer.Exit(0 if answer.yes else 1)


def show(answer: Answer, console: Console) -> None:
    """Print the matrix, the notes and the sentence."""
    console.print(table(answer))
    for row in answer.blocking:
        sentence = f"{row.reason} Way out: {row.way_out}."
        console.print(Text(shown(sentence, 2_000), style="red"), soft_wrap=True)
    for note in answer.notes:
        console.print(Text(shown(note, 2_000), style="dim"), soft_wrap=True)
    console.print(Text(shown(answer.sentence, 2_000), style="bold"), soft_wrap=True)


def table(answer: Answer) -> Table:
    """The matrix: a heading for each counterpart, and below it one row for each event or request that it shares."""
    found = Table(box=None, pad_edge=False, title_justify="left")
    for heading in ("counterpart", "version", "verdict", "since"):
        found.add_column(heading, overflow="fold")
    for (counterpart, way), group in groupby(answer.rows, key=lambda row: (row.counterpart, row.direction)):
        rows = list(dict.fromkeys(replace(row, subject=without_ids(row.subject)) for row in group))
        versions = {row.version for row in rows}
        common = versions.pop() if len(versions) == 1 else ""
        found.add_row(Text(f"{counterpart} {way}", style="bold"), Text(short(common)))
        for row in rows:
            found.add_row(*cells(row, "" if common else row.version))
    return found


def cells(row: Row, version: str) -> list[Text]:
    """The cells of a row. A foreign message may have brackets and control characters in its type."""
    field = f" {row.field}" if row.field else ""
    return [
        Text(f"  {shown(row.subject, MOST_SHOWN)}"),
        Text(short(version)),
        Text(shown(f"{row.verdict}{field}", MOST_SHOWN), style=COLOURS[row.verdict]),
        Text(row.since),
    ]


def short(version: str) -> str:
    """A version as it is shown: of a commit that is no release, the first seven digits."""
    return COMMIT.sub(r"+\1", version)
