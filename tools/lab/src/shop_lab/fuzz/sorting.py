"""Sorts mutants by what became of them at each reader. What must not happen is a finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from shop_lab.experiments.foreign_inputs.input import Place
from shop_lab.fuzz.mutants import Mutant, Spec
from shop_lab.fuzz.readers import Judged

EXAMPLES = 5
"""Examples that are kept of a class that people may want to look at."""


class Became(StrEnum):
    """What became of a mutant at one reader."""

    DEAD_LETTER = "a dead letter, and no valid event"
    REFUSED = "a dead letter, although its contract allows it"
    HANDLED = "handled, and a valid event"
    TOLERATED = "handled: it breaks its contract where this reader does not look"
    NOT_READ = "passed: this reader does not read its type"
    HELD_BY_BROKER = "refused by the broker"


class Sent(NamedTuple):
    """A mutant that was sent."""

    mutant: Mutant
    judged: Judged
    places: Sequence[Place]
    """The places of its copies; none if the broker refused it."""


@dataclass(frozen=True)
class Traces:
    """What one reader has of all records."""

    letters: Mapping[Place, str]
    """Dead letter → its reason."""
    taken: Set[tuple[str, str]]
    """Source and id of each event in its inbox."""
    held: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Source and id of each event that is a dead letter → its reason."""


@dataclass(frozen=True)
class Finding:
    """A mutant that became what it must not become."""

    spec: Spec
    steps: Sequence[str]
    type: str
    reader: str
    what: str
    place: str

    @property
    def kind(self) -> tuple[str, str]:
        """Findings of one kind have most probably one cause."""
        return self.reader, self.what

    def as_json(self) -> dict[str, Any]:
        return {
            "mutant": str(self.spec),
            "steps": list(self.steps),
            "type": self.type,
            "reader": self.reader,
            "what": self.what,
            "place": self.place,
            "again": again(self.spec),
        }


def again(spec: Spec) -> str:
    """The command that sends a mutant again."""
    return f"shop fuzz events --only {spec}"


@dataclass
class Sorted:
    """All mutants, sorted."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    """Reader → what became of the mutants of its topics."""
    refused: Counter[str] = field(default_factory=Counter)
    """Reader, type and reason of dead letters of events that the contract allows."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """The same → some mutants."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def total(self) -> Counter[str]:
        """The sum over all readers."""
        return sum(self.counts.values(), Counter())


def sort(sent: Iterable[Sent], traces: Mapping[str, Traces]) -> Sorted:
    """Sort mutants by the traces that they left at the readers of their topics."""
    found = Sorted({reader: Counter() for reader in traces})
    for one in sent:
        for reader in one.mutant.draft.topic.readers:
            for place in one.places:
                _sort_one(found, one, place, reader, traces[reader])
            if not one.places:
                found.counts[reader][Became.HELD_BY_BROKER] += 1
    return found


def _sort_one(found: Sorted, one: Sent, place: Place, reader: str, traces: Traces) -> None:
    judged = one.judged
    # Copies of one event that come in one batch are one dead letter: a redrive would handle the event once anyway.
    reason = traces.letters.get(place) or traces.held.get((judged.source, judged.id))
    became: Became
    if reason is not None:
        became = Became.DEAD_LETTER if judged.fault else Became.REFUSED
        if became is Became.REFUSED:
            name = f"{reader}: {one.mutant.draft.type}, {reason}"
            found.refused[name] += 1
            if len(examples := found.examples.setdefault(name, [])) < EXAMPLES:
                examples.append(f"{one.mutant.spec} ({', '.join(one.mutant.steps)})")
    elif (judged.source, judged.id) in traces.taken:
        if why := judged.must_refuse[reader]:
            return _add(found, one, place, reader, f"handled, although {_short(why)}")
        became = Became.TOLERATED if judged.fault else Became.HANDLED
    elif reader not in judged.reads and not judged.must_refuse[reader]:
        became = Became.NOT_READ
    else:
        return _add(found, one, place, reader, "neither handled nor a dead letter")
    found.counts[reader][became] += 1
    return None


def _short(why: str) -> str:
    return why.partition(" '")[0][:120]


def _add(found: Sorted, one: Sent, place: Place, reader: str, what: str) -> None:
    mutant = one.mutant
    found.findings.append(Finding(mutant.spec, mutant.steps, mutant.draft.type, reader, what, str(place)))
