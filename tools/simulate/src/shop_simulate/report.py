"""Prints a failing schedule: the verdict, the choices, the story of each order, and the line that replays it."""

from __future__ import annotations

import shlex
from typing import Any

from rich.console import Console
from rich.text import Text

from shop_observe.missing_steps import missing_steps
from shop_observe.timeline import steps_of, timeline_line
from shop_oracle.report import print_verdict
from shop_simulate.choices import text_of
from shop_simulate.run import Result


def replay_line(result: Result) -> str:
    """The command that runs this schedule again."""
    return f"shop simulate --replay {shlex.quote(text_of(result.choices))}"


def print_failure(result: Result, console: Console) -> None:
    """Print what happened, in the order in which a reader needs it."""
    print_verdict(result.verdict, console)
    console.print(f"\nThe schedule, {len(result.choices)} choices:")
    for place, choice in enumerate(result.choices, 1):
        console.print(Text(f"{place:>4}  {' '.join(choice)}"), soft_wrap=True)
    for number, order_id in result.order_ids.items():
        console.print(f"\nOrder {number} is {order_id}:")
        for step in steps_of(result.entries, str(order_id)):
            console.print(timeline_line(step), soft_wrap=True)
        own = [entry for entry in result.entries if entry.key == str(order_id)]
        for missing in missing_steps(own):
            console.print(f"{missing.event} of {missing.service} is missing.", style="yellow")
    console.print("\nReplay it:")
    console.print(Text(f"  {replay_line(result)}"), soft_wrap=True)


def as_json(seed: int | None, found: Result, shortest: Result) -> dict[str, Any]:
    """A failure for programs."""
    return {
        "seed": seed,
        "choices": text_of(found.choices),
        "shortest": text_of(shortest.choices),
        "replay": replay_line(shortest),
        "verdict": shortest.verdict.as_json(),
    }
