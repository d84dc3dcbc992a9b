"""One cell of the table: a question about two releases of one service, and the verdict on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal

from shop_lab.skew.pairs import Side
from shop_observe.topics import Topic

Ruling = Literal["green", "red", "vacuous"]
SHOWN = 3
"""How many losses the reason of a red cell names."""


class Question(StrEnum):
    """The question that a cell answers about a service."""

    BESIDE_OLD = "others at N−1"
    """N−1 → N → N−1, while all other services run N−1."""
    BESIDE_NEW = "others at N"
    """N−1 → N → N−1, while all other services run N."""
    NEW_SCHEMA = "N−1 on the schema of N"
    """The code of N−1 on the tables of N, while all other services run N."""

    @property
    def others(self) -> Side:
        """The release of all other services."""
        return Side.OLD if self is Question.BESIDE_OLD else Side.NEW


@dataclass(frozen=True, slots=True)
class Crossings:
    """The messages that one release wrote and another one handled, between the service and all others."""

    old_to_new: int
    new_to_old: int


@dataclass(frozen=True, slots=True)
class Expected:
    """The directions in which messages can cross at all. A service that publishes nothing has only one."""

    old_to_new: bool
    new_to_old: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """The outcome of one question about one service."""

    service: str
    question: Question
    orders: int
    crossings: Crossings
    expected: Expected
    losses: Sequence[str] = ()
    """Orders that failed, were lost or doubled, dead letters, and all else that must not be; one sentence each."""
    missing: str = ""
    """What the question needs and the cell did not have; empty if it had all. The cell is vacuous then."""
    note: str = ""
    """A fact about the cell that is no loss."""

    @property
    def ruling(self) -> Ruling:
        """Red if anything was lost, vacuous if nothing was lost and too little was tried, else green."""
        if self.losses:
            return "red"
        return "vacuous" if self._untried else "green"

    @property
    def reason(self) -> str:
        """Why the cell is not green; its note if it is."""
        match self.ruling:
            case "red":
                more = len(self.losses) - SHOWN
                told = "; ".join(self.losses[:SHOWN])
                return f"{told}; and {more} more" if more > 0 else told
            case "vacuous":
                return f"nothing is proved: {self._untried}"
            case _:
                return self.note

    @property
    def _untried(self) -> str:
        if self.missing:
            return self.missing
        if not self.orders:
            return "no order was placed"
        silent = [
            name
            for name, expected, count in (
                ("N−1 → N", self.expected.old_to_new, self.crossings.old_to_new),
                ("N → N−1", self.expected.new_to_old, self.crossings.new_to_old),
            )
            if expected and not count
        ]
        return f"no message was handled {' or '.join(silent)}" if silent else ""

    def as_json(self) -> dict[str, Any]:
        """The cell as JSON. A direction in which no message can cross is null."""
        counts = asdict(self.crossings)
        possible = asdict(self.expected)
        return {
            "service": self.service,
            "question": self.question.value,
            "ruling": self.ruling,
            "orders": self.orders,
            "messages": {name: counts[name] if possible[name] else None for name in counts},
            "losses": list(self.losses),
            "reason": self.reason,
        }


def expected_of(topics: Sequence[Topic], service: str, question: Question) -> Expected:
    """The directions in which messages can cross between a service and the others, by the contract.

    Beside N−1 only the N of the service is new: what it writes crosses to N−1, what it reads crosses to N. Beside N
    it is the other way round.
    """
    writes = any(topic.owner == service and set(topic.readers) - {service} for topic in topics)
    reads = any(service in topic.readers and topic.owner != service for topic in topics)
    if question.others is Side.OLD:
        return Expected(old_to_new=reads, new_to_old=writes)
    return Expected(old_to_new=writes, new_to_old=reads)
