"""The command `shop simulate`."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Annotated

import typer

from shop_stack.paths import repository


def _not_empty(replay: str | None) -> str | None:
    if replay is not None and not replay.strip():
        raise typer.BadParameter("It is empty: give it the choices of a schedule, as a failure prints them.")
    return replay


Replay = Annotated[
    str | None,
    typer.Option(
        help="Run this schedule instead: its choices, separated by semicolons.", callback=_not_empty
    ),
]


def simulate(
    schedules: Annotated[int, typer.Option(min=1, help="How many schedules.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="The seed of the first one. Each next one adds 1.")] = 1,
    steps: Annotated[int, typer.Option(min=1, max=1_000, help="The most choices of a schedule.")] = 40,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many run at the same time.")] = 2,
    replay: Replay = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run random schedules of all services in one process, and judge each by the oracle.

    A schedule is a list of choices: deliver an event, deliver it again, send a
    page of an outbox, run a job, cancel an order, let time pass, kill a process
    before or after a commit. A seed makes the choices, so the same seed makes
    the same schedule. The handlers, the inbox, the outbox and PostgreSQL are
    real. Kafka, HTTP and the clock are simulated. A running shop is not used.

    A schedule that fails is made shorter. Then the violations, the story of each
    order and a line that replays it are printed, and the exit code is 1. What
    this cannot find: docs/how-to/run-schedules-by-seed.md.

    Examples:

        shop simulate

        shop simulate --schedules 3000 --seed 42

        shop simulate --replay 'place 1 mug 1 tok_ok; relay orders; cancel 1'"""
    options = {
        "schedules": schedules,
        "seed": seed,
        "steps": steps,
        "workers": workers,
        "replay": replay or "",
        "as_json": as_json,
    }
    # It imports the services, and no other tool does: so it is a program of its own.
    command = [sys.executable, "-m", "shop_simulate", json.dumps(options)]
    raise typer.Exit(subprocess.run(command, cwd=repository(), check=False).returncode)
