"""The newest orders and records of the log, within a limit of bytes. Everything older is left as a count."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shop_observe.kafka_log import Entry
from shop_observe.timeline import COMPENSATIONS, ENDINGS, detail_of, short, shown
from shop_observe.topics import Topic

MOST_ORDERS = 500
MOST_RECORDS_OF_AN_ORDER = 64
MOST_RECORDS = 120
"""The newest records of all topics, for the list beside the map."""
MOST_VALUE = 16_000
"""Bytes of a record's value that are kept. A longer value is left out."""
MOST_BYTES = 16_000_000
"""Bytes of all values of the orders that are kept."""
PENDING = "PENDING"
PLACED = "orders.order-placed.v1"


@dataclass(slots=True)
class Kept:
    """One order, as far as its records were seen."""

    order_id: str
    entries: list[Entry] = field(default_factory=list)
    size: int = 0
    """Bytes of the values."""

    @property
    def state(self) -> str:
        """PENDING, or the terminal state; empty if no event of the service orders was seen."""
        types = {entry.type for entry in self.entries if not entry.fault}
        ended = next((state for type_, state in ENDINGS.items() if type_ in types), "")
        return ended or (PENDING if PLACED in types else "")

    def summary(self) -> dict[str, Any]:
        """The order in a list."""
        events = [entry for entry in self.entries if not entry.fault]
        newest = self.entries[-1]
        return {
            "id": shown(self.order_id, 80),
            "state": self.state,
            "events": len(self.entries),
            "last": short(newest.type),
            "at": int(newest.moment.timestamp() * 1000),
            "detail": detail_of(events[0])[:120] if events else "",
            "compensated": any(entry.type.rpartition(".")[0] in COMPENSATIONS for entry in events),
            "foreign": len(events) < len(self.entries),
        }


@dataclass
class Memory:
    """What the server remembers of the log. It never grows above its limits."""

    topics: Sequence[Topic]
    records: Counter[str] = field(default_factory=Counter)
    """Topic → the records that were seen."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """Placed, and each terminal state → the events that were seen."""
    foreign: int = 0
    orders: OrderedDict[str, Kept] = field(default_factory=OrderedDict)
    newest: deque[Entry] = field(default_factory=lambda: deque(maxlen=MOST_RECORDS))
    size: int = 0
    dropped: int = 0
    """The orders that were dropped, because newer ones came."""

    def __post_init__(self) -> None:
        self._of_orders = {topic.name for topic in self.topics if topic.events and not topic.compacted}

    def add(self, entries: Iterable[Entry]) -> set[str]:
        """Take in records. Returns the ids of the orders that have changed."""
        changed = set()
        for given in entries:
            entry = slim(given)
            self.records[entry.topic] += 1
            self.newest.append(entry)
            if entry.fault:
                self.foreign += 1
            elif outcome := PENDING if entry.type == PLACED else ENDINGS.get(entry.type):
                self.outcomes[outcome] += 1
            if entry.topic in self._of_orders and entry.key:
                self._keep(entry)
                changed.add(entry.key)
        self._drop_oldest()
        return changed & self.orders.keys()

    def _keep(self, entry: Entry) -> None:
        kept = self.orders.setdefault(entry.key, Kept(entry.key))
        self.orders.move_to_end(entry.key)
        if len(kept.entries) < MOST_RECORDS_OF_AN_ORDER:
            kept.entries.append(entry)
            kept.size += len(entry.value)
            self.size += len(entry.value)

    def _drop_oldest(self) -> None:
        while len(self.orders) > MOST_ORDERS or self.size > MOST_BYTES:
            _, kept = self.orders.popitem(last=False)
            self.size -= kept.size
            self.dropped += 1

    def summaries(self, most: int) -> list[dict[str, Any]]:
        """The newest orders, the newest first."""
        return [self.orders[key].summary() for key in list(self.orders)[: -most - 1 : -1]]

    def totals(self) -> dict[str, Any]:
        """The counts of everything that was seen since the first page was opened."""
        return {
            "records": dict(self.records),
            "outcomes": dict(self.outcomes),
            "foreign": self.foreign,
            "orders": len(self.orders),
            "dropped": self.dropped,
        }


def slim(entry: Entry) -> Entry:
    """The record without a value that is too long to keep, and with a short key."""
    if len(entry.value) <= MOST_VALUE and len(entry.key) <= MOST_VALUE:
        return entry
    told = f"its value of {len(entry.value):,} bytes is not kept"
    return replace(entry, value=b"", key=entry.key[:80], fault=entry.fault or told)
