"""What an experiment found: numbers with what they must be, and the oracle's verdict over everything that was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from shop_lab.values import Value, coloured, limit
from shop_oracle.report import Verdict, print_verdict

Ruling = Literal["holds", "short", "vacuous"]
SENTENCES: Mapping[Ruling, str] = {
    "holds": "[bold green]Proved.[/]",
    "short": "[bold red]Not proved.[/]",
    "vacuous": "[bold yellow]Vacuous: nothing is proved, for not every fault was seen to bite.[/]",
}


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
    seen: Sequence[Value] = ()
    """How often the faults were seen to bite. Where one of these numbers is too small, the others prove nothing."""

    @property
    def ruling(self) -> Ruling:
        """`short` if a number is not what it must be or the oracle found something, else `vacuous` or `holds`."""
        met = all(value.holds for value in self.values) and (self.verdict is None or self.verdict.holds)
        if not met:
            return "short"
        return "holds" if all(value.holds for value in self.seen) else "vacuous"

    @property
    def holds(self) -> bool:
        """Whether every number is what it must be, the faults bit, and the oracle found nothing."""
        return self.ruling == "holds"

    @property
    def reasons(self) -> list[str]:
        """Why it does not hold, one sentence each; what the oracle found is told by itself."""
        failed = [value for value in (*self.values, *self.seen) if not value.holds]
        return [f"{value.name}: {value.value:g}, must be {limit(value, value.must)}" for value in failed]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "holds": self.holds,
            "ruling": self.ruling,
            "reasons": self.reasons,
            "values": [{**asdict(value), "holds": value.holds} for value in self.values],
            "seen": [{**asdict(value), "holds": value.holds} for value in self.seen],
            "detail": self.detail,
            "oracle": None if self.verdict is None else self.verdict.as_json(),
        }


def print_outcome(outcome: Outcome, title: str, console: Console) -> None:
    """One row per number; then what the oracle says; then one sentence."""
    table = Table(title=title, title_justify="left")
    for column in ("what", "seen", "must be"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for value in (*outcome.values, *outcome.seen):
        table.add_row(value.name, coloured(value), limit(value, value.must))
    console.print(table)
    for name, found in outcome.detail.items():
        console.print(f"{name}: {found}", style="dim", highlight=False)
    if outcome.verdict is not None:
        print_verdict(outcome.verdict, console)
    console.print(SENTENCES[outcome.ruling])
