"""What an experiment found: numbers with what they must be, and the oracle's verdict over everything that was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from shop_lab.values import Value, coloured, limit
from shop_oracle.report import Verdict, print_verdict


def at_most(name: str, value: float, bound: float, unit: str = "") -> Value:
    """A number that must not be above its bound."""
    return Value(name, value, bound, bound, unit=unit)


def at_least(name: str, value: float, bound: float, unit: str = "") -> Value:
    """A number that must not be below its bound."""
    return Value(name, value, bound, bound, most=False, unit=unit)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an experiment. `verdict` is None where no order was placed."""

    values: Sequence[Value]
    verdict: Verdict | None
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Numbers behind the values, for machines and the curious."""

    @property
    def holds(self) -> bool:
        """Whether every number is what it must be, and the oracle found nothing."""
        return all(value.holds for value in self.values) and (self.verdict is None or self.verdict.holds)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "holds": self.holds,
            "values": [{**asdict(value), "holds": value.holds} for value in self.values],
            "detail": self.detail,
            "oracle": None if self.verdict is None else self.verdict.as_json(),
        }


def print_outcome(outcome: Outcome, title: str, console: Console) -> None:
    """One row per number; then what the oracle says; then one sentence."""
    table = Table(title=title, title_justify="left")
    for column in ("what", "seen", "must be"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for value in outcome.values:
        table.add_row(value.name, coloured(value), limit(value, value.must))
    console.print(table)
    for name, found in outcome.detail.items():
        console.print(f"{name}: {found}", style="dim", highlight=False)
    if outcome.verdict is not None:
        print_verdict(outcome.verdict, console)
    console.print("[bold green]Proved.[/]" if outcome.holds else "[bold red]Not proved.[/]")
