"""`shop mutate`: takes one pattern away at a time, and sees whether the tests notice."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shop.steps import Steps
from shop_mutants.catalogue import Mutant, chosen, read
from shop_mutants.running import run, workplace
from shop_mutants.verdicts import Judgement, Verdict
from shop_stack.paths import repository

COLOURS = {Verdict.CAUGHT: "green", Verdict.SURVIVED: "bold red", Verdict.VACUOUS: "yellow"}


def mutate(
    names: Annotated[
        list[str] | None, typer.Argument(help="The mutants; all of them without a name.", metavar="[NAME]...")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Name the mutants, and run nothing.")] = False,
    workers: Annotated[int, typer.Option(help="How many mutants run at the same time.", min=1)] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Take one pattern away at a time, and see whether the tests notice.

    Each mutant is a patch in chaos/mutants: without the inbox, with the offsets
    committed too early, without the deadline. It names the tests that must fail.
    The patch is applied to a copy of this clone, never to the clone itself.

    caught: each named test passes without the patch and fails with it, for the
    expected reason. survived: a named test passes, so nothing notices that the
    pattern is missing. vacuous: the run proves nothing, for example because the
    patch does not apply. The exit code is 1 unless every mutant is caught.

    Examples:

        shop mutate

        shop mutate no-inbox no-deadline

        shop mutate --list --json"""
    root = repository()
    mutants = chosen(read(root), names or [])
    if listed:
        tell_mutants(mutants, as_json)
        return
    began = time.monotonic()
    judgements = judge(root, mutants, workers)
    tell_verdicts(judgements, time.monotonic() - began, as_json)
    raise typer.Exit(0 if all(one.verdict is Verdict.CAUGHT for one in judgements) else 1)


def judge(root: Path, mutants: Sequence[Mutant], workers: int) -> list[Judgement]:
    """Run the mutants, and show the progress on stderr."""
    with Steps(Console(stderr=True)) as progress:
        task = progress.add_task("Copying the clone, starting PostgreSQL and Kafka", total=len(mutants))

        def tell(step: str, done: int) -> None:
            progress.update(task, description=step, completed=done)

        with workplace(root, workers) as place:
            return run(place, mutants, tell)


def tell_mutants(mutants: Sequence[Mutant], as_json: bool) -> None:
    """Print the mutants without running them."""
    if as_json:
        typer.echo(json.dumps([mutant.as_json() for mutant in mutants], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("mutant", "takes away", "found by"):
        table.add_column(heading, overflow="fold")
    for mutant in mutants:
        table.add_row(mutant.name, mutant.without, mutant.origin)
    Console(highlight=False).print(table)


def tell_verdicts(judgements: Sequence[Judgement], seconds: float, as_json: bool) -> None:
    """Print a row for each mutant, and a sentence for each that is not caught. `seconds` is the time of the run."""
    if as_json:
        run = {"seconds": round(seconds), "mutants": [one.as_json() for one in judgements]}
        typer.echo(json.dumps(run, indent=2))
        return
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for heading in ("mutant", "verdict", "seconds", "takes away"):
        table.add_column(heading, overflow="fold")
    for one in judgements:
        colour = COLOURS[one.verdict]
        table.add_row(
            one.mutant.name, f"[{colour}]{one.verdict}[/]", f"{one.seconds:.0f}", one.mutant.without
        )
    console.print(table)
    for one in judgements:
        if one.why:
            console.print(f"\n{one.mutant.name} {SAYS[one.verdict]}: {one.why}", soft_wrap=True, markup=False)
    console.print(f"\n{summary(judgements)} It took {seconds:.0f} s.", soft_wrap=True)


SAYS = {Verdict.SURVIVED: "survived", Verdict.VACUOUS: "proves nothing"}


def summary(judgements: Sequence[Judgement]) -> str:
    """How many mutants have each verdict, in one sentence."""
    counts = {verdict: sum(one.verdict is verdict for one in judgements) for verdict in Verdict}
    return (
        f"{counts[Verdict.CAUGHT]} of {len(judgements)} mutants are caught,"
        f" {counts[Verdict.SURVIVED]} survived, {counts[Verdict.VACUOUS]} prove nothing."
    )
