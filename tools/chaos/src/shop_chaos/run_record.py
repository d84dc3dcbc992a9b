"""What the activities of one run have seen. Chaos Toolkit calls them as functions, so they share this record."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from shop_chaos.customers import Customers
from shop_lab.experiments.outcome import Outcome
from shop_oracle.looks import Look


@dataclass
class RunRecord:
    """The observations of one run."""

    seen: dict[str, Counter[str]] = field(default_factory=dict)
    """Fault → name of a count → the count. They show that the fault had an effect."""
    injected: Counter[str] = field(default_factory=Counter)
    """Fault → how many times it was injected."""
    looks: Counter[str] = field(default_factory=Counter)
    """Invariant that holds at every moment → how many looks judged it. `all` counts every look."""
    violations: list[str] = field(default_factory=list)
    """Violations of these invariants, one sentence each, without repetitions."""
    outcomes: list[Outcome] = field(default_factory=list)
    """Measured numbers with their limits."""
    broken: threading.Event = field(default_factory=threading.Event)
    """Set when an invariant that holds at every moment is violated: actions that wait return."""

    tell: Callable[[str], None] = lambda _: None
    """Called with each step of a long action."""
    customers: Customers | None = None
    """The customers of the run."""

    def add_look(self, look: Look) -> None:
        """Count a look, and keep its violations."""
        self.looks["all"] += 1
        self.looks.update(look.violations.keys())
        self.violations += [each for each in look.sentences if each not in self.violations]
        if self.violations:
            self.broken.set()

    def add_seen(self, fault: str, counts: dict[str, int]) -> None:
        """Add counts of one injection to those of its fault."""
        self.seen.setdefault(fault, Counter()).update(counts)

    def count(self, fault: str, name: str) -> int:
        """A count of all injections of a fault; 0 if it was not seen."""
        return self.seen.get(fault, Counter())[name]


_present: list[RunRecord] = [RunRecord()]


def start(tell: Callable[[str], None] = lambda _: None) -> RunRecord:
    """Begin a new record. `tell` is called with each step of a long action."""
    _present[0] = RunRecord(tell=tell)
    return _present[0]


def current() -> RunRecord:
    """The record of the run that goes on."""
    return _present[0]
