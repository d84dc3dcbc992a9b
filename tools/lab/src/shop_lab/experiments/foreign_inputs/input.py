"""What an input is: a name, a kind, a function that gives it, and how it is known to have bitten."""

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
    """Where a record stands."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


class Window(NamedTuple):
    """A time in which a part of the shop was kept from its work on purpose, seconds since the epoch."""

    begin: float
    end: float


@dataclass
class World:
    """What inputs are given to."""

    testbed: Testbed
    topics: Mapping[str, EventTopic]
    producer: RawProducer
    http: httpx.AsyncClient
    history: History
    """Of the orders that inputs place: the oracle judges these, too."""
    dice: random.Random
    sent: set[Place] = field(default_factory=set)
    """Each record that an input has put on a topic."""
    windows: list[Window] = field(default_factory=list)


@dataclass
class Tally:
    """What came of one input."""

    given: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    """An answer in short (``422``, ``refused by the broker``, ``new connections``) → how often."""
    wrong: Counter[str] = field(default_factory=Counter)
    """An answer that the shop must not give → how often."""
    trouble: Counter[str] = field(default_factory=Counter)
    """What the generator itself ran into → how often."""
    places: set[Place] = field(default_factory=set)
    """Its records that the broker took."""
    events: set[str] = field(default_factory=set)
    """The event ids of these."""
    orders: dict[str, str] = field(default_factory=dict)
    """Order id → the state in which the order must end."""
    ghosts: set[str] = field(default_factory=set)
    """Ids of orders that orders does not have."""


@dataclass(frozen=True)
class Aftermath:
    """What the shop had done with the inputs when it had come to rest."""

    letters: Set[Place] = frozenset()
    """Records that are a dead letter of one reader at least."""
    taken: Set[str] = frozenset()
    """Ids of events that one service at least has in its inbox."""
    behind: Set[Place] = frozenset()
    """Records that a reader of their topic has not passed."""
    duplicates: int = 0
    """Events that services dropped because they had them."""
    denied: int = 0
    """Statements that PostgreSQL refused because of a privilege."""
    ends: Mapping[str, str] = field(default_factory=dict)
    """Order id → state, of the orders that inputs placed."""
    held_for_ghosts: Set[str] = frozenset()
    """Ghost orders for which stock or money is held, and of which no dead letter tells."""
    ghosts_seen: Set[str] = frozenset()
    """Ghost orders of which inventory, payments or a dead letter tells."""


Give = Callable[[World, Tally], Awaitable[None]]
Seen = Callable[[Tally, Aftermath], int]
"""How often an input is known to have bitten."""


@dataclass(frozen=True)
class Input:
    """One input, as data. The first is given `first` seconds after the beginning, then one `every` so many."""

    name: str
    kind: int
    """As the issue numbers them; 7 is text over HTTP."""
    give: Give
    seen: Seen
    every: float = 1.0
    first: float = 0.0
    must_be_letter: bool = False
    """Whether each of its records must be a dead letter."""


def dead_letters(tally: Tally, after: Aftermath) -> int:
    """Its records that are dead letters."""
    return len(tally.places & after.letters)


def refused_or_dead_letters(tally: Tally, after: Aftermath) -> int:
    """Its batches that the broker refused, or its records that are dead letters."""
    return tally.answers[REFUSED] + dead_letters(tally, after)


def events_or_dead_letters(tally: Tally, after: Aftermath) -> int:
    """Its records that were taken as events, or that are dead letters."""
    return len(tally.events & after.taken) + dead_letters(tally, after)


def dropped_duplicates(tally: Tally, after: Aftermath) -> int:
    """Its records that all readers have passed, as far as duplicates were dropped at all."""
    return min(after.duplicates, len(tally.places - after.behind))


def ended_as_they_must(tally: Tally, after: Aftermath) -> int:
    """Its orders that ended in the state that they must end in."""
    return sum(after.ends.get(order_id) == state for order_id, state in tally.orders.items())


def ghosts_seen(tally: Tally, after: Aftermath) -> int:
    """Its orders that orders does not have, and another service has seen."""
    return len(tally.ghosts & after.ghosts_seen)


def refused_privileges(tally: Tally, after: Aftermath) -> int:
    """Statements that were refused while a privilege was missing."""
    return after.denied


def answered(*answers: str) -> Seen:
    """Its answers that are one of these."""
    expected: Collection[str] = answers
    return lambda tally, after: sum(tally.answers[answer] for answer in expected)
