"""The command `shop check`."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import nullcontext
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console

from shop_oracle.gather import gather
from shop_oracle.report import judge, print_verdict
from shop_oracle.watching import Board, watch
from shop_stack import embedded, monitoring
from shop_stack.connect import TargetKind, connect
from shop_stack.errors import UserError
from shop_stack.ports import HOST
from shop_stack.target import Target
from shop_stack.target import embedded as embedded_target

SHORTEST_PAUSE = 1.0
"""Seconds between two rounds of `--every`: each round reads the whole log."""
UNITS = {"s": 1.0, "m": 60.0, "": 1.0}


def seconds(text: str) -> float:
    """Convert `60`, `60s` or `2m` to seconds. Raises BadParameter for any other text."""
    if not (found := re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|)", text)):
        raise typer.BadParameter(f"{text!r} is not a duration: write it like 60s or 2m.")
    return float(found[1]) * UNITS[found[2]]


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
    wait: Annotated[str, typer.Option(help="The longest time to wait until the shop is at rest.")] = "60s",
    every: Annotated[
        str | None,
        typer.Option(
            help="Check until Ctrl-C, with this pause, and give the verdict to Prometheus.", metavar="PAUSE"
        ),
    ] = None,
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

    With --every, a shop that does not come to rest is judged by the invariants
    that hold at every moment. The verdict is at /metrics of the port of the shop
    + 41 (18041), and `shop up --observability` has alerts on it.

    Examples:

        shop check                  prints a table, and the violations

        shop check --json | jq .holds

        shop check --wait 2m        after a long outage

        shop check --every 1m --wait 5s"""
    patience = seconds(wait)
    if every is not None:
        if as_json:
            raise UserError("With `--every` the verdict is at /metrics: leave out `--json`.")
        if seconds(every) < SHORTEST_PAUSE:
            raise UserError(f"A pause is at least {SHORTEST_PAUSE:.0f} s, such as `--every 10s`.")
        with connect() as target:
            raise typer.Exit(again_and_again(target, seconds(every), patience))
    with connect() as target, Console(stderr=True).status("looking") as status:
        evidence = asyncio.run(gather(target, patience, lambda what: status.update(what)))
        status.update("judging")
        verdict = judge(evidence)
    if as_json:
        typer.echo(json.dumps(verdict.as_json(), indent=2))
    else:
        print_verdict(verdict, Console())
    raise typer.Exit(0 if verdict.holds else 1)


def again_and_again(target: Target, every: float, patience: float) -> int:
    """Ask the oracle until Ctrl-C. Returns the exit code: 1 if the last verdict is not green."""
    stack = embedded.stack()
    is_embedded = target.name == TargetKind.EMBEDDED
    port = stack.ports.oracle
    board = Board()

    def tell(sentence: str) -> None:
        typer.echo(f"{datetime.now():%H:%M:%S} {sentence}")

    def shop() -> Target:
        """The shop as it is now: `shop rotate` gives an embedded one new passwords."""
        return embedded_target(stack.state) if is_embedded else target

    with board.served(HOST, port):
        typer.echo(f"The verdict is at http://{HOST}:{port}/metrics. End it with Ctrl-C.")
        with monitoring.read_too(stack, monitoring.ORACLE, port) if is_embedded else nullcontext():
            asyncio.run(watch(shop, board, every, patience, tell))
    tell(board.sentence)
    return 0 if board.is_green else 1
