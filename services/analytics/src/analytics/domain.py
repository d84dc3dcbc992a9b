"""Facts, and the rule by which they are joined. Imports only the standard library.

A fact is the part of a row that one event sets: column → value. The facts of a row are joined. Joining is commutative,
associative and idempotent. So the result is the same for any order of events and for repeated events. `db/facts.py` has
the same join in SQL.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

Fact = Mapping[str, Any]

GUARDED_BY = {
    "order_state": "order_version",
    "reservation_state": "reservation_version",
    "payment_state": "payment_version",
    "name": "version",
}
"""State column → the column with the version of its aggregate. The state with the greater version wins."""

VERSIONS = frozenset(GUARDED_BY.values())
"""Columns that keep the greatest value."""

MOMENTS = frozenset({"placed_at", "confirmed_at", "reserved_at", "captured_at", "notified_at"})
"""Columns that keep the earliest value.

A column that is in none of these three groups gets the same value from each event that sets it.
"""

_ORDERS = ("orders.order.v1", "order_version")
_RESERVATIONS = ("inventory.reservation.v1", "reservation_version")
_PAYMENTS = ("payments.payment.v1", "payment_version")
_NOTIFICATIONS = ("notifications.notification.v1", "notified_at")
_PRODUCTS = ("inventory.product.v1", "version")
SOURCE_OF_COLUMN = {
    "order_version": _ORDERS,
    "order_state": _ORDERS,
    "placed_at": _ORDERS,
    "confirmed_at": _ORDERS,
    "total_minor": _ORDERS,
    "lines": _ORDERS,
    "reservation_version": _RESERVATIONS,
    "reservation_state": _RESERVATIONS,
    "reserved_at": _RESERVATIONS,
    "payment_version": _PAYMENTS,
    "payment_state": _PAYMENTS,
    "captured_at": _PAYMENTS,
    "refunded_minor": _PAYMENTS,
    "notified_at": _NOTIFICATIONS,
    "version": _PRODUCTS,
    "name": _PRODUCTS,
}
"""Column → its topic, and a column that is not NULL if any event of that topic was joined into the row.

`currency` is missing here: it comes from two topics.
"""

LARGEST_INTEGER = 2**31 - 1
LARGEST_BIGINT = 2**63 - 1
"""The largest values of PostgreSQL's `integer` (versions) and `bigint` (amounts)."""


class OrderState(StrEnum):
    """The state of an order."""

    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"


class ReservationState(StrEnum):
    """The state of an order's stock."""

    RESERVED = "RESERVED"
    REJECTED = "REJECTED"
    COMMITTED = "COMMITTED"
    RELEASED = "RELEASED"


class PaymentState(StrEnum):
    """The state of an order's payment."""

    CAPTURED = "CAPTURED"
    DECLINED = "DECLINED"
    REFUNDED = "REFUNDED"


class GenerationState(StrEnum):
    """The state of a generation.

    BUILDING: a rebuild fills it, and live events are written into it. ACTIVE: reports read it, and live events are
    written into it. RETIRED: it was replaced, and its rows will be deleted. REMOVED: its rows are deleted. CANCELLED:
    the rebuild was cancelled, and its rows are or will be deleted.
    """

    BUILDING = "BUILDING"
    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"
    REMOVED = "REMOVED"
    CANCELLED = "CANCELLED"


class RebuildAlreadyRunning(Exception):
    """A rebuild is running. Only one can run at a time."""

    def __init__(self) -> None:
        super().__init__("A rebuild is running. Wait until it has become active, or cancel it.")


class RebuildAlreadyEnded(Exception):
    """A rebuild that is not BUILDING cannot be cancelled."""

    def __init__(self, generation: int, state: GenerationState) -> None:
        super().__init__(f"Generation {generation} is {state}. Only a BUILDING one can be cancelled.")
        self.generation = generation
        self.state = state


class RebuildCancelled(Exception):
    """The generation of this rebuild is no longer BUILDING."""


class UnknownRebuild(Exception):
    """No generation has this number."""

    def __init__(self, generation: int) -> None:
        super().__init__(f"There is no generation {generation}.")
        self.generation = generation


def join(one: Fact, other: Fact) -> dict[str, Any]:
    """Join two facts about the same row."""
    return {column: _joined(column, one, other) for column in one.keys() | other.keys()}


def join_by(key: str, facts: Iterable[Fact]) -> list[Fact]:
    """Join facts that have the same value in the column `key`. Returns one fact per row."""
    rows: dict[object, Fact] = {}
    for fact in facts:
        seen = rows.get(fact[key])
        rows[fact[key]] = fact if seen is None else join(seen, fact)
    return list(rows.values())


def _joined(column: str, one: Fact, other: Fact) -> Any:
    a, b = one.get(column), other.get(column)
    if column in GUARDED_BY:
        return b if _version(other, column) > _version(one, column) else a
    if a is None or b is None:
        return b if a is None else a
    if column in VERSIONS:
        return max(a, b)
    if column in MOMENTS:
        return min(a, b)
    return a


def _version(fact: Fact, state: str) -> int:
    version = fact.get(GUARDED_BY[state])
    return version if isinstance(version, int) else 0
