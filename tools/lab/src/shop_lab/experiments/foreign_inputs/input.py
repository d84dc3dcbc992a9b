"""The definition of an input: a name, a kind, a function that gives it, and a function that counts its effects."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Set
from dataclasses import dataclass, field
from typing import NamedTuple

import httpx

from shop_lab.experiments.foreign_inputs.batches import RawProducer
from shop_lab.experiments.foreign_inputs.events import EventTopic
from shop_lab.testbed import Testbed
from shop_observe.history import History

REFUSED = "refused by the broker"


class Place(NamedTuple):
    """The position of a record in the log."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


class Window(NamedTuple):
    """A time in which a part of the shop is disturbed on purpose, in seconds since the epoch."""

    begin: float
    end: float


@dataclass
class World:
    """The objects that inputs act on."""

    testbed: Testbed
    topics: Mapping[str, EventTopic]
    producer: RawProducer
    http: httpx.AsyncClient
    history: History
    """The requests of the orders that inputs place. The oracle judges these orders, too."""
    dice: random.Random
    sent: set[Place] = field(default_factory=set)
    """Every record that an input has sent to a topic."""
    windows: list[Window] = field(default_factory=list)


@dataclass
class Tally:
    """The results of one input."""

    given: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    """Answer in short (``422``, ``refused by the broker``, ``new connections``) → how often."""
    wrong: Counter[str] = field(default_factory=Counter)
    """Answer that the shop must not give → how often."""
    trouble: Counter[str] = field(default_factory=Counter)
    """Error of the generator itself → how often."""
    places: set[Place] = field(default_factory=set)
    """Its records that the broker accepted."""
    events: set[str] = field(default_factory=set)
    """The event ids of these records."""
    orders: dict[str, str] = field(default_factory=dict)
    """Order id → the state in which the order must end."""
    ghosts: set[str] = field(default_factory=set)
    """Ids of orders that the service orders does not have."""


@dataclass(frozen=True)
class Aftermath:
    """The effects of the inputs on the shop, read when it is at rest."""

    letters: Set[Place] = frozenset()
    """Records that at least one reader has as a dead letter."""
    taken: Set[str] = frozenset()
    """Ids of events that at least one service has in its inbox."""
    behind: Set[Place] = frozenset()
    """Records that a reader of their topic has not passed."""
    duplicates: int = 0
    """Events that services dropped as duplicates."""
    denied: int = 0
    """Statements that PostgreSQL refused because of a missing privilege."""
    ends: Mapping[str, str] = field(default_factory=dict)
    """Order id → state, of the orders that inputs placed."""
    held_for_ghosts: Set[str] = frozenset()
    """Ghost orders that have stock or money, but no dead letter."""
    ghosts_seen: Set[str] = frozenset()
    """Ghost orders that inventory, payments or a dead letter has."""


Give = Callable[[World, Tally], Awaitable[None]]
Seen = Callable[[Tally, Aftermath], int]
"""Counts the visible effects of an input."""


@dataclass(frozen=True)
class Input:
    """One input. It is given `first` seconds after the beginning, then every `every` seconds."""

    name: str
    kind: int
    """The number of its kind in the table of the README."""
    give: Give
    seen: Seen
    every: float = 1.0
    first: float = 0.0
    must_be_letter: bool = False
    """Whether each of its records must become a dead letter."""


def dead_letters(tally: Tally, after: Aftermath) -> int:
    """Its records that are dead letters."""
    return len(tally.places & after.letters)


def refused_or_dead_letters(tally: Tally, after: Aftermath) -> int:
    """Its batches that the broker refused, or its records that are dead letters."""
    return tally.answers[REFUSED] + dead_letters(tally, after)


def events_or_dead_letters(tally: Tally, after: Aftermath) -> int:
    """Its records that were handled as events, or that are dead letters."""
    return len(tally.events & after.taken) + dead_letters(tally, after)


def dropped_duplicates(tally: Tally, after: Aftermath) -> int:
    """Its records that all readers have passed, but at most the number of dropped duplicates."""
    return min(after.duplicates, len(tally.places - after.behind))


def ended_as_they_must(tally: Tally, after: Aftermath) -> int:
    """Its orders that ended in the expected state."""
    return sum(after.ends.get(order_id) == state for order_id, state in tally.orders.items())


def ghosts_seen(tally: Tally, after: Aftermath) -> int:
    """Its orders that the service orders does not have, and that another service has."""
    return len(tally.ghosts & after.ghosts_seen)


def refused_privileges(tally: Tally, after: Aftermath) -> int:
    """All statements that were refused because of a missing privilege."""
    return after.denied


def answered(*answers: str) -> Seen:
    """Counts the answers that are one of `answers`."""
    expected: Collection[str] = answers
    return lambda tally, after: sum(tally.answers[answer] for answer in expected)
