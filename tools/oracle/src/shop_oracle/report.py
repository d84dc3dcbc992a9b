"""The verdict: a table for people, JSON for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shop_observe.timeline import MOST_SHOWN, shown
from shop_oracle.evidence import Evidence, Foreign
from shop_oracle.invariants import INVARIANTS, RUNBOOKS, Invariant, Judgement

SHOWN = 5
"""How many violations of one invariant the table shows."""
MOST_TOLD = 2_000
"""How many characters of a violation the table shows."""
LISTED = 1_000
"""How many violations of one invariant, and how many foreign records, the JSON lists."""
INDEX = "docs/runbooks/README.md"
"""The list of runbooks, and of the likely causes of each violated invariant."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """One invariant's judgement, with its number and its statement."""

    number: int
    name: str
    statement: str
    judgement: Judgement
    runbook: str
    """The page to read first if the invariant is violated, as a path in this repository."""

    @property
    def holds(self) -> bool:
        return not self.judgement.violations


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of the oracle. It holds if no invariant is violated and the shop was at rest."""

    rulings: Sequence[Ruling]
    unrest: Sequence[str]
    foreign: Sequence[Foreign] = ()
    """Records that are not events of the shop. A foreign record alone is not a violation."""

    @property
    def holds(self) -> bool:
        return not self.unrest and all(ruling.holds for ruling in self.rulings)

    @property
    def complaint(self) -> str:
        """Why it does not hold, for a failed test: a line for each violation and each unfinished work.

        It is empty if the verdict holds. Of each invariant at most LISTED violations are told.
        """
        lines = [f"not at rest: {restless}" for restless in self.unrest]
        for ruling in self.rulings:
            for one in ruling.judgement.violations[:LISTED]:
                told = f"expected {one.expected}; found {one.found}"
                lines.append(f"{ruling.number} {ruling.name}, {one.subject}: {shown(told, MOST_TOLD)}")
            if (hidden := len(ruling.judgement.violations) - LISTED) > 0:
                lines.append(f"{ruling.number} {ruling.name}: {hidden} more violations")
        return "\n".join(lines)

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
                    "runbook": ruling.runbook,
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
            "foreign_records": [
                {
                    "topic": record.place[0],
                    "partition": record.place[1],
                    "offset": record.place[2],
                    "key": record.key[:MOST_SHOWN],
                    "reason": record.reason[:MOST_SHOWN],
                }
                for record in self.foreign[:LISTED]
            ],
            "foreign_record_count": len(self.foreign),
        }


def judge(evidence: Evidence) -> Verdict:
    """Judge the evidence by each invariant."""
    rulings = [
        Ruling(
            number,
            invariant.__name__,
            title_of(invariant.__doc__ or ""),
            invariant(evidence),
            page_of(invariant),
        )
        for number, invariant in enumerate(INVARIANTS, 1)
    ]
    return Verdict(rulings, evidence.unrest, evidence.foreign())


def page_of(invariant: Invariant) -> str:
    """The runbook of an invariant, as a path in this repository."""
    return f"docs/runbooks/{RUNBOOKS[invariant]}.md"


def title_of(text: str) -> str:
    """The first line of a docstring, which is the invariant in short."""
    return text.partition("\n")[0].strip()


def print_verdict(verdict: Verdict, console: Console) -> None:
    """Print the table, the first violations of each violated invariant, and one sentence with the verdict."""
    table = Table(title="What must hold, always", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("", justify="right", style="dim")
    table.add_column("invariant", overflow="fold")
    table.add_column("judged", style="dim", overflow="fold")
    table.add_column("verdict")
    for ruling in verdict.rulings:
        table.add_row(str(ruling.number), ruling.statement, ruling.judgement.judged, mark(ruling))
    console.print(table)
    if verdict.unrest:
        console.print(
            "The shop is not at rest, so orders in progress may look like violations: ask again when it is.",
            style="yellow",
        )
    for ruling in verdict.rulings:
        print_ruling(ruling, console)
    print_foreign(verdict.foreign, console)
    for restless in verdict.unrest:
        console.print(Text("not at rest: ", style="red").append(restless, style="default"))
    if verdict.holds:
        console.print("[bold green]Everything holds.[/]")
    else:
        console.print("[bold red]It does not hold.[/]", f"{INDEX} has the likely causes.")


def print_ruling(ruling: Ruling, console: Console) -> None:
    """Print why an invariant was not judged, its first violations, and the runbook to read."""
    if ruling.judgement.unjudged:
        why = Text(f"{ruling.number} not fully judged: ", style="yellow")
        console.print(why.append(ruling.judgement.unjudged, style="default"))
    for violation in ruling.judgement.violations[:SHOWN]:
        text = Text(f"{ruling.number} {shown(violation.subject)}: ", style="red")
        told = f"expected {violation.expected}; found {violation.found}"
        text.append(shown(told, MOST_TOLD), style="default")
        console.print(text)
    if (hidden := len(ruling.judgement.violations) - SHOWN) > 0:
        console.print(f"  … and {hidden} more of invariant {ruling.number} (all with --json)", style="dim")
    if not ruling.holds:
        console.print(f"  Runbook for invariant {ruling.number}: {ruling.runbook}")


def print_foreign(records: Sequence[Foreign], console: Console) -> None:
    """Print the first foreign records, each with its topic, partition, offset and reason."""
    for record in records[:SHOWN]:
        topic, partition, offset = record.place
        text = Text(f"foreign record {topic}[{partition}]@{offset}: ", style="yellow")
        console.print(text.append(shown(record.reason), style="default"))
    if (hidden := len(records) - SHOWN) > 0:
        console.print(f"  … and {hidden} more foreign records (with --json)", style="dim")


def mark(ruling: Ruling) -> Text:
    if not ruling.holds:
        return Text(f"✗ {len(ruling.judgement.violations)} violated", style="bold red")
    if ruling.judgement.unjudged:
        return Text("? not judged", style="yellow")
    return Text("✓ holds", style="green")
