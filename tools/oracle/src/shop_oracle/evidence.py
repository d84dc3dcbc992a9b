"""The evidence of the oracle, as plain rows. This module does not depend on how they were read.

Ids are strings, amounts are minor units, times are aware datetimes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shop_observe.history import Request
from shop_observe.kafka_log import Entry, Log
from shop_observe.topics import Topic
from shop_observe.traces import Span

PLACED = "orders.order-placed.v1"

ENDED = frozenset({"CONFIRMED", "REJECTED", "CANCELLED"})
"""The terminal states of an order."""

TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-[0-9a-f]{16}-(?P<flags>[0-9a-f]{2})")

SAMPLED = 1
"""The bit of a traceparent's flags that says that the spans are recorded (W3C Trace Context)."""


@dataclass(frozen=True, slots=True)
class Order:
    """A row of orders.orders."""

    id: str
    state: str
    reason: str
    total_minor: int
    currency: str
    placed_at: datetime
    deadline_at: datetime
    ended_at: datetime | None
    traceparent: str

    @property
    def trace_id(self) -> str:
        """The id of the trace in which the order began; empty if its spans are not recorded."""
        found = TRACEPARENT.fullmatch(self.traceparent)
        return found["trace"] if found and int(found["flags"], 16) & SAMPLED else ""


@dataclass(frozen=True, slots=True)
class Product:
    """A row of inventory.products; counts are pieces."""

    sku: str
    initial: int
    replenished: int
    on_hand: int
    reserved: int
    sold: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """A row of inventory.reservations; `lines` are (SKU, pieces)."""

    order_id: str
    state: str
    lines: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Payment:
    """A row of payments.payments."""

    order_id: str
    payment_id: str
    state: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Refund:
    """A row of payments.refunds."""

    refund_id: str
    order_id: str
    amount_minor: int
    currency: str
    state: str


@dataclass(frozen=True, slots=True)
class Movement:
    """An entry of the card processor's ledger; `reference` is the id of the order that was charged."""

    kind: str
    """``charge`` or ``refund``."""
    charge_id: str
    reference: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Message:
    """A row of notifications.notifications."""

    id: str
    order_id: str
    kind: str
    state: str


@dataclass(frozen=True, slots=True)
class Written:
    """A row of a service's outbox."""

    service: str
    event_id: str
    topic: str
    key: str
    type: str
    time: datetime


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that a consumer group stored as a dead letter."""

    group: str
    place: tuple[str, int, int]
    """(topic, partition, offset)."""
    event_id: str
    reason: str = ""
    is_discarded: bool = False
    """An operator discarded it: its event is in the inbox of the group, but had no effect."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A record that is not an event of the shop, and the reason."""

    place: tuple[str, int, int]
    """(topic, partition, offset)."""
    key: str
    reason: str


@dataclass(slots=True)
class Traces:
    """The spans of a sample of orders."""

    of_order: dict[str, list[Span]] = field(default_factory=dict)
    """Order id → all spans of its trace, or of the traces that links connect with it."""
    unjudged: str = ""
    """Why no order could be sampled; empty if some were."""


@dataclass(slots=True, repr=False)
class Evidence:
    """All data that one judgement uses. It has no repr: in an error message a repr could be megabytes long."""

    taken_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    unrest: Sequence[str] = ()
    """The work that was unfinished when the wait for rest ended, one sentence each; empty at rest."""
    topics: Sequence[Topic] = ()
    subscriptions: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Service → the event types that it receives, by its AsyncAPI document (contracts/asyncapi)."""
    requests: Sequence[Request] = ()
    orders: dict[str, Order] = field(default_factory=dict)
    products: dict[str, Product] = field(default_factory=dict)
    reservations: dict[str, Reservation] = field(default_factory=dict)
    payments: dict[str, Payment] = field(default_factory=dict)
    """By order id."""
    refunds: list[Refund] = field(default_factory=list)
    ledger: list[Movement] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    outbox: list[Written] = field(default_factory=list)
    inbox: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    """Group → (source, event id) of each event that it handled."""
    dead_letters: list[DeadLetter] = field(default_factory=list)
    log: Log = field(default_factory=lambda: Log([], {}))
    copies: Log = field(default_factory=lambda: Log([], {}))
    """The log of the topics that carry copies of dead letters."""
    reports: dict[str, Any] = field(default_factory=dict)
    """Name of an analytics report → its answer."""
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Order id → the row of analytics.order_facts from which the reports are computed."""
    traces: Traces = field(default_factory=Traces)

    def ended_orders(self) -> list[Order]:
        """The orders that have reached a terminal state."""
        return [order for order in self.orders.values() if order.state in ENDED]

    def events(self) -> list[Entry]:
        """The entries of the log without the foreign records."""
        refused = self._refused()
        return [entry for entry in self.log.events if place_of(entry) not in refused]

    def foreign_handled_by(self, group: str) -> list[Entry]:
        """The foreign records that a group handled.

        A service does not read every field. It handles a record whose fault is in a field that it does not read.
        """
        events = {(entry.source, entry.id) for entry in self.log.events}
        handled = self._handled().get(group, set()) - events
        return [entry for entry in self.log.entries if entry.fault and (entry.source, entry.id) in handled]

    def foreign(self) -> list[Foreign]:
        """The records of the log that are not events of the shop, each with the reason."""
        refused = self._refused()
        unknown = self.unknown_orders()
        found = []
        for entry in self.log.entries:
            place = place_of(entry)
            if reason := entry.fault or refused.get(place, ""):
                found.append(Foreign(place, entry.key, reason))
            elif entry.type == PLACED and entry.key in unknown:
                found.append(Foreign(place, entry.key, "orders knows neither this event nor its order"))
        return found

    def unknown_orders(self) -> set[str]:
        """The ids of orders that are placed in the log, but that the service `orders` neither has nor published.

        Foreign records count, too: a service that does not read the faulty field handles such an order.
        """
        written = {row.event_id for row in self.outbox}
        return {
            entry.key
            for entry in self.log.entries
            if entry.type == PLACED and entry.key not in self.orders and entry.id not in written
        }

    def _refused(self) -> dict[tuple[str, int, int], str]:
        """Place → reason, for each event that a group stored as a dead letter and no service published or handled."""
        letters = {letter.place: letter for letter in self.dead_letters}
        if not letters:
            return {}
        written = {row.event_id for row in self.outbox}
        taken = set().union(*self._handled().values())
        return {
            place: f"{letter.group} refused it ({letter.reason})"
            for entry in self.log.events
            if (letter := letters.get(place := place_of(entry)))
            and entry.id not in written
            and (entry.source, entry.id) not in taken
        }

    def _handled(self) -> dict[str, set[tuple[str, str]]]:
        """Group → (source, event id) of each event that it handled. A discarded event was not handled."""
        discarded = {(letter.group, letter.event_id) for letter in self.dead_letters if letter.is_discarded}
        return {
            group: {(source, event_id) for source, event_id in events if (group, event_id) not in discarded}
            for group, events in self.inbox.items()
        }

    def order_of(self, movement: Movement) -> str:
        """The id of the order that a ledger entry is for; empty if there is no such order."""
        return movement.reference if movement.reference in self.orders else ""


def place_of(entry: Entry) -> tuple[str, int, int]:
    return entry.topic, entry.partition, entry.offset
