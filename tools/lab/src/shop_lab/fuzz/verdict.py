"""The limits of both commands, and the result as JSON and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shop_lab.experiments.outcome import Outcome
from shop_lab.values import limit, number


@dataclass(frozen=True)
class Fuzzed:
    """The result of a run."""

    outcome: Outcome
    findings: Sequence[Mapping[str, Any]] = ()
    """Each with `what`, and the command `again` that repeats it."""
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """The rows of the table: name → column → number."""
    told: Sequence[str] = ()
    """What the run did not try, for people. The JSON has it in `detail`."""

    @property
    def holds(self) -> bool:
        return self.outcome.holds

    def as_json(self) -> dict[str, Any]:
        return {**self.outcome.as_json(), "findings": list(self.findings), "counts": self.counts}


def print_fuzzed(found: Fuzzed, console: Console) -> None:
    """The result for people: what became of all, the numbers with their limits, and each finding with its command."""
    _print_counts(found.counts, console)
    table = Table(box=box.SIMPLE_HEAD)
    for name, justify in (("", "left"), ("seen", "right"), ("must be", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for value in (*found.outcome.values, *found.outcome.seen):
        colour = "green" if value.holds else "red"
        table.add_row(escape(value.name), f"[{colour}]{number(value.value)}[/]", limit(value, value.must))
    console.print(table)
    for sentence in found.told:
        console.print(sentence, style="dim", highlight=False, markup=False)
    for one in found.findings:
        console.print(
            f"[red]finding[/] {escape(str(one['what']))}\n    {escape(str(one['again']))}", highlight=False
        )
    if found.outcome.verdict is not None and not found.outcome.verdict.holds:
        console.print(found.outcome.verdict.complaint, markup=False)
    console.print(f"Verdict: {'holds' if found.holds else found.outcome.ruling}.")


def _print_counts(counts: Mapping[str, Mapping[str, int]], console: Console) -> None:
    """A table with few columns: the names of the counts, or the rows of the result if these are fewer."""
    names = list(dict.fromkeys(name for row in counts.values() for name in row))
    cells = {(row, name): number for row, numbers in counts.items() for name, number in numbers.items()}
    rows, columns = (list(counts), names) if len(counts) > len(names) else (names, list(counts))
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    for column in columns:
        table.add_column(escape(column), justify="right")
    for row in rows:
        numbers = [cells.get((row, column), cells.get((column, row), 0)) for column in columns]
        table.add_row(escape(row), *(f"{number:,}" for number in numbers))
    console.print(table)
