"""The verdict: a table for people, JSON for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shop_oracle.evidence import Evidence
from shop_oracle.invariants import INVARIANTS, Judgement

SHOWN = 5
"""Violations of one invariant that are shown to people; machines get LISTED."""
LISTED = 1_000


@dataclass(frozen=True, slots=True)
class Ruling:
    """One invariant's judgement, with its number in the design and what it says."""

    number: int
    name: str
    statement: str
    judgement: Judgement

    @property
    def holds(self) -> bool:
        return not self.judgement.violations


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the oracle says. It holds if every invariant does and the shop had come to rest."""

    rulings: Sequence[Ruling]
    unrest: Sequence[str]

    @property
    def holds(self) -> bool:
        return not self.unrest and all(ruling.holds for ruling in self.rulings)

    def as_json(self) -> dict[str, Any]:
        return {
            "holds": self.holds,
            "unrest": list(self.unrest),
            "invariants": [
                {
                    "number": ruling.number,
                    "name": ruling.name,
                    "statement": ruling.statement,
                    "holds": ruling.holds,
                    "judged": ruling.judgement.judged,
                    "unjudged": ruling.judgement.unjudged,
                    "violations": [
                        {"subject": v.subject, "expected": v.expected, "found": v.found}
                        for v in ruling.judgement.violations[:LISTED]
                    ],
                    "violation_count": len(ruling.judgement.violations),
                }
                for ruling in self.rulings
            ],
        }


def judge(evidence: Evidence) -> Verdict:
    """Ask every invariant."""
    rulings = [
        Ruling(number, invariant.__name__, title_of(invariant.__doc__ or ""), invariant(evidence))
        for number, invariant in enumerate(INVARIANTS, 1)
    ]
    return Verdict(rulings, evidence.unrest)


def title_of(text: str) -> str:
    """The first line of a docstring, which is the invariant in short."""
    return text.partition("\n")[0].strip()


def print_verdict(verdict: Verdict, console: Console) -> None:
    """The table, then the first violations of what does not hold, then one sentence."""
    table = Table(title="What must hold, always", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("", justify="right", style="dim")
    table.add_column("invariant", overflow="fold")
    table.add_column("judged", style="dim", overflow="fold")
    table.add_column("verdict")
    for ruling in verdict.rulings:
        table.add_row(str(ruling.number), ruling.statement, ruling.judgement.judged, mark(ruling))
    console.print(table)
    for ruling in verdict.rulings:
        if ruling.judgement.unjudged:
            console.print(
                f"[yellow]{ruling.number} not fully judged:[/] {ruling.judgement.unjudged}", highlight=False
            )
        for violation in ruling.judgement.violations[:SHOWN]:
            text = Text(f"{ruling.number} {violation.subject}: ", style="red")
            text.append(f"expected {violation.expected}; found {violation.found}", style="default")
            console.print(text)
        if (hidden := len(ruling.judgement.violations) - SHOWN) > 0:
            console.print(
                f"  … and {hidden} more of invariant {ruling.number} (all with --json)", style="dim"
            )
    for restless in verdict.unrest:
        console.print(f"[red]not at rest:[/] {restless}", highlight=False)
    sentence = "[bold green]Everything holds.[/]" if verdict.holds else "[bold red]It does not hold.[/]"
    console.print(sentence)


def mark(ruling: Ruling) -> Text:
    if not ruling.holds:
        return Text(f"✗ {len(ruling.judgement.violations)} violated", style="bold red")
    if ruling.judgement.unjudged:
        return Text("? not judged", style="yellow")
    return Text("✓ holds", style="green")
