"""The command `shop check`."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Annotated

import typer
from rich.console import Console

from shop_oracle.gather import gather
from shop_oracle.report import judge, print_verdict
from shop_stack.connect import connect

UNITS = {"s": 1.0, "m": 60.0, "": 1.0}


def seconds(text: str) -> float:
    """Convert `60`, `60s` or `2m` to seconds. Raises BadParameter for any other text."""
    if not (found := re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|)", text)):
        raise typer.BadParameter(f"{text!r} is not a duration: write it like 60s or 2m.")
    return float(found[1]) * UNITS[found[2]]


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
    wait: Annotated[str, typer.Option(help="The longest time to wait until the shop is at rest.")] = "60s",
) -> None:
    """Check the nine invariants of the shop: no order is lost, money is conserved, and others.

    It waits, at most --wait, until the shop is at rest: no order is in progress,
    no event is unsent, and no message is unread. Then it reads the histories of
    the clients, the databases, the card processor's ledger, the whole Kafka log
    and the spans, and checks the invariants against them.

    Exit code 0 if the shop came to rest and no invariant is violated. An invariant
    that was not judged, or only in part ("? not judged"), is not violated. Exit
    code 1 if an invariant is violated, if the shop did not come to rest, or if a
    part of it could not be read.

    Examples:

        shop check                  prints a table, and the violations

        shop check --json | jq .holds

        shop check --wait 2m        after a long outage"""
    patience = seconds(wait)
    with connect() as target, Console(stderr=True).status("looking") as status:
        evidence = asyncio.run(gather(target, patience, lambda what: status.update(what)))
        status.update("judging")
        verdict = judge(evidence)
    if as_json:
        typer.echo(json.dumps(verdict.as_json(), indent=2))
    else:
        print_verdict(verdict, Console())
    raise typer.Exit(0 if verdict.holds else 1)
