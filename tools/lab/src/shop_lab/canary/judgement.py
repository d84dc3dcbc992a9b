"""Compares a release on trial with the one that runs, and decides whether it is promoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

ENOUGH_MESSAGES = 30
"""With fewer messages nothing is known of a release."""
WORSE = 2.0
"""A share or an age of the canary may be so many times that of the others."""
FEW = 0.01
"""A share of failed tries up to this one is never too high: a rebalance repeats a batch."""
SLOWER_SECONDS = 2.0
"""An age is never too high as long as it is not so many seconds above that of the others."""


class Decision(StrEnum):
    """What becomes of a canary."""

    PROMOTE = "promoted"
    WITHDRAW = "withdrawn"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of the keys of one release. Ages are seconds from the order to its end, or until now."""

    messages: int = 0
    failed_tries: int = 0
    dead_letters: int = 0
    violations: int = 0
    ages: Sequence[float] = ()
    first_violation: str = ""

    @property
    def tries(self) -> int:
        return self.messages + self.failed_tries

    @property
    def dead_share(self) -> float:
        """The share of its messages that became dead letters, 0 to 1."""
        return self.dead_letters / max(1, self.messages + self.dead_letters)

    @property
    def failed_share(self) -> float:
        """The share of its tries that failed, 0 to 1."""
        return self.failed_tries / max(1, self.tries)

    @property
    def age(self) -> float:
        """The age that nine in ten of its orders do not exceed; 0 without orders."""
        ordered = sorted(self.ages)
        return ordered[int(0.9 * (len(ordered) - 1))] if ordered else 0.0

    def as_json(self) -> dict[str, Any]:
        """The numbers as JSON."""
        facts = asdict(self)
        del facts["ages"]
        return {**facts, "orders": len(self.ages), "age_p90": round(self.age, 2)}


def fault(canary: Seen, others: Seen) -> str:
    """The first sign by which the canary is worse than the others, as a part of a sentence; empty if there is none."""
    if canary.dead_letters and canary.dead_share > WORSE * others.dead_share:
        return (
            f"{canary.dead_letters} of its messages became dead letters, beside {canary.messages} that it handled; "
            f"the running release had {others.dead_letters} beside {others.messages}"
        )
    if canary.violations > others.violations:
        return (
            f"the oracle found {canary.violations} violations on its keys and {others.violations} on the others "
            f"({canary.first_violation})"
        )
    if canary.tries >= ENOUGH_MESSAGES and canary.failed_share > max(FEW, WORSE * others.failed_share):
        return (
            f"{canary.failed_share:.0%} of its tries to handle a message failed, "
            f"and {others.failed_share:.0%} of those of the running release"
        )
    if canary.age > max(others.age + SLOWER_SECONDS, WORSE * others.age) and others.ages:
        return f"nine in ten orders on its keys took up to {canary.age:.1f} s, and {others.age:.1f} s on the others"
    return ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The decision on a canary, and the reason as one sentence."""

    decision: Decision
    reason: str


def decide(name: str, canary: Seen, others: Seen, seconds: float) -> Judgement:
    """The decision after the whole time. `name` is that of the release, such as ``orders 0.2.0``."""
    if found := fault(canary, others):
        return Judgement(Decision.WITHDRAW, f"{name} is withdrawn, because {found}.")
    if canary.messages < ENOUGH_MESSAGES:
        return Judgement(
            Decision.WITHDRAW,
            f"{name} is withdrawn, because it handled only {canary.messages} messages in {seconds:.0f} s, and "
            f"{ENOUGH_MESSAGES} are needed to know anything: let more orders come, or give it more time.",
        )
    return Judgement(
        Decision.PROMOTE,
        f"{name} is promoted, because it handled {canary.messages} messages with {canary.dead_letters} dead letters, "
        f"{canary.failed_tries} retries and {canary.violations} violations, and is no slower than the running release.",
    )
