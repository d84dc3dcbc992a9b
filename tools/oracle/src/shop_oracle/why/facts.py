"""The facts by which `diagnosis.py` says why an order waits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from shop_observe.topics import Topic


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault of the shop, and the command that cures it."""

    part: str
    what: str
    """One sentence without a full stop, such as ``inventory is stopped by hand``."""
    cure: str
    """A command, or where to look."""


@dataclass(frozen=True, slots=True)
class OrderRow:
    """A row of orders.orders."""

    id: str
    state: str
    reason: str
    placed_at: datetime
    deadline_at: datetime


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A row of a service's outbox."""

    service: str
    id: int
    event_id: str
    topic: str
    key: str
    type: str
    at: datetime
    data: str = field(repr=False)
    is_unsent: bool
    """The relay has not passed it."""
    aside: str
    """DELAYED, REFUSED or GIVEN_UP; empty if it is not set aside."""
    error: str
    """Why it is set aside."""


@dataclass(frozen=True, slots=True)
class Letter:
    """An open dead letter."""

    service: str
    id: int
    state: str
    reason: str
    topic: str
    partition: int
    offset: int
    key: str
    event_id: str
    type: str


@dataclass(frozen=True, slots=True)
class Intent:
    """Work outside of the shop that a service has yet to do: a charge, a refund or a message to the customer."""

    service: str
    kind: str
    """``charge``, ``refund`` or ``message (confirmed)``."""
    order_id: str
    attempts: int
    due_at: datetime | None
    """When it is tried next; None if it is given up."""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a group has read one partition."""

    committed: int
    """The offset of the first message that is unread."""
    end: int

    @property
    def unread(self) -> int:
        """The number of messages that the group has not read."""
        return max(0, self.end - self.committed)


class Place(NamedTuple):
    """A partition as one group reads it."""

    group: str
    topic: str
    partition: int


@dataclass(slots=True)
class Facts:
    """All facts of one look."""

    topics: Mapping[str, Topic]
    subscriptions: Mapping[str, Collection[str]]
    """Service → the event types that it receives."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    parts: dict[str, Trouble] = field(default_factory=dict)
    """Part → why it does not work at all, or works slowly."""
    unready: dict[str, list[Trouble]] = field(default_factory=dict)
    """Service → its failed checks."""
    databases: dict[str, Trouble] = field(default_factory=dict)
    """Service → why its database could not be read."""
    locks: dict[str, list[Trouble]] = field(default_factory=dict)
    """Service → the sessions that others of its database wait for."""
    orders: dict[str, OrderRow] = field(default_factory=dict)
    outbox: list[OutboxRow] = field(default_factory=list)
    inbox: set[tuple[str, str]] = field(default_factory=set)
    """(service, event id) of each event that a service has handled."""
    letters: list[Letter] = field(default_factory=list)
    intents: list[Intent] = field(default_factory=list)
    lags: dict[Place, Lag] = field(default_factory=dict)
    partitions: dict[str, int] = field(default_factory=dict)
    """Topic → its number of partitions now."""

    def events_of(self, order_id: str) -> Sequence[OutboxRow]:
        """The events of an order that services have published, oldest first. Copies of dead letters are none."""
        events = (row for row in self.outbox if row.key == order_id and row.topic in self.topics)
        return sorted(events, key=lambda row: row.at)
