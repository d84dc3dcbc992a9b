"""What is compared: shapes, figures, and the amount of work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shop_lab.compare.figures import FIGURES
from shop_stack.errors import UserError
from shop_stack.shapes import CHOREOGRAPHED, FIVE, MONOLITH, ORCHESTRATED, SINGLE, Shape

SHAPES: Mapping[str, Shape] = {
    MONOLITH: Shape.parse(MONOLITH),
    "pairs": Shape.with_others("orders+inventory | payments+notifications | analytics"),
    FIVE: Shape.parse(FIVE),
    ORCHESTRATED: Shape.parse(FIVE, saga=ORCHESTRATED),
    SINGLE: Shape.parse(MONOLITH, CHOREOGRAPHED, SINGLE),
}
"""Name → shape, in the order of the report."""
ONCE = ("field", "blast", "partition")
"""The figures that are measured once, after the rounds."""


@dataclass(frozen=True, slots=True)
class Effort:
    """The amount of work. More work takes longer and gives more reliable numbers."""

    rounds: int
    warm_up: int
    """Orders before the measurement: Kafka's JVM compiles its hot code, and connections are opened."""
    orders: int
    """Orders that arrive at once."""
    rate_seconds: float
    """Seconds for which orders arrive at each fixed rate."""
    idle_seconds: float
    fault_seconds: float
    """Seconds for which orders arrive while a service has a fault."""


FULL = Effort(rounds=3, warm_up=300, orders=1_500, rate_seconds=12, idle_seconds=8, fault_seconds=6)
QUICK = Effort(rounds=1, warm_up=100, orders=300, rate_seconds=4, idle_seconds=3, fault_seconds=4)


@dataclass(frozen=True, slots=True)
class Plan:
    """A comparison that is to be carried out."""

    shapes: tuple[str, ...]
    figures: frozenset[str]
    effort: Effort

    @property
    def has_rounds(self) -> bool:
        """Whether a figure is measured in rounds."""
        return bool(self.figures - set(ONCE))

    @property
    def once(self) -> tuple[str, ...]:
        """The figures that are measured once, in their order."""
        return tuple(name for name in ONCE if name in self.figures)

    @property
    def steps(self) -> int:
        """How many times a comparison reports that a step is done."""
        passes = self.effort.rounds * self.has_rounds + len(self.once)
        return len(self.shapes) * (1 + passes)


def planned(shapes: Sequence[str], figures: Sequence[str], effort: Effort, rounds: int | None = None) -> Plan:
    """The plan for these names; all shapes or figures if none is named. Raises UserError if there is no such one."""
    for name in shapes:
        if name not in SHAPES:
            raise UserError(f"There is no shape {name!r} to compare: choose from {', '.join(SHAPES)}.")
    for name in figures:
        if name not in FIGURES:
            raise UserError(f"There is no figure {name!r}: choose from {', '.join(FIGURES)}.")
    return Plan(
        tuple(name for name in SHAPES if not shapes or name in shapes),
        frozenset(figures or FIGURES),
        effort if rounds is None else replace(effort, rounds=rounds),
    )
