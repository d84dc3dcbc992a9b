"""The orders that failed, were lost or doubled in one cell.

All cells share a stack. So the evidence of a cell has the faults of the cells before it, and only what is new counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shop_load.closed_loop import Placed
from shop_load.plans import Scenario
from shop_oracle.evidence import DeadLetter, Evidence
from shop_oracle.report import Verdict

CONFIRMED = frozenset({"CONFIRMED"})
REJECTED = frozenset({"REJECTED"})
A_RACE = frozenset({"CONFIRMED", "CANCELLED"})
"""The payment and the cancellation or the deadline race, and either may win."""
ENDINGS: Mapping[Scenario, frozenset[str]] = {
    Scenario.CONFIRMED: CONFIRMED,
    Scenario.FLAKY: CONFIRMED,
    Scenario.POSTED_TWICE: CONFIRMED,
    Scenario.OUT_OF_STOCK: REJECTED,
    Scenario.DECLINED: REJECTED,
    Scenario.CANCELLED: A_RACE,
    Scenario.CANCELLED_AT_ONCE: A_RACE,
    Scenario.TIMED_OUT: A_RACE,
}
"""The states in which an order of each scenario may end."""
KINDS: Mapping[str, str] = {
    "every_acknowledged_order_ends_once": "lost",
    "nothing_is_lost_between_services": "lost",
    "no_effect_happens_twice": "doubled",
}
"""Invariant → what a violation of it means. All others are `wrong`."""


@dataclass
class Known:
    """The faults that were reported already."""

    violations: set[tuple[str, str]] = field(default_factory=set)
    """(invariant, subject)."""
    letters: set[tuple[str, tuple[str, int, int]]] = field(default_factory=set)
    """(group, place)."""

    def losses(self, placed: Sequence[Placed], evidence: Evidence, verdict: Verdict) -> list[str]:
        """The faults that are new, one sentence each. They are known afterwards. `placed` are the cell's orders."""
        return [
            *_failed_orders(placed, evidence),
            *self._new_letters(evidence),
            *self._new_violations(verdict),
            *(f"unfinished: {sentence}" for sentence in verdict.unrest),
        ]

    def _new_letters(self, evidence: Evidence) -> list[str]:
        new = [letter for letter in evidence.dead_letters if (letter.group, letter.place) not in self.letters]
        self.letters |= {(letter.group, letter.place) for letter in new}
        types = {(entry.topic, entry.partition, entry.offset): entry.type for entry in evidence.log.entries}
        return [_letter(letter, types.get(letter.place, "a message")) for letter in new]

    def _new_violations(self, verdict: Verdict) -> list[str]:
        found = []
        for ruling in verdict.rulings:
            for violation in ruling.judgement.violations:
                key = ruling.name, violation.subject
                if key not in self.violations:
                    self.violations.add(key)
                    kind = KINDS.get(ruling.name, "wrong")
                    found.append(
                        f"{kind}: {violation.subject}: expected {violation.expected}, found {violation.found}"
                    )
        return found


def _letter(letter: DeadLetter, type_: str) -> str:
    place = f"{letter.place[0]}[{letter.place[1]}]@{letter.place[2]}"
    return f"failed: {letter.group} could not handle {type_} at {place} ({letter.reason or 'no reason'})"


def _failed_orders(placed: Sequence[Placed], evidence: Evidence) -> list[str]:
    """The orders of a cell that ended otherwise than their customer made them end. Missing ones are the oracle's."""
    found = []
    for one in placed:
        order = evidence.orders.get(one.order_id)
        allowed = ENDINGS[one.plan.scenario]
        if order is not None and order.state not in allowed:
            wanted = " or ".join(sorted(allowed))
            reason = f" ({order.reason})" if order.reason else ""
            found.append(f"failed: order {order.id} is {order.state}{reason} and should be {wanted}")
    return found
