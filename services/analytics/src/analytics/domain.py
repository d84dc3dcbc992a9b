"""Facts and how they join. Pure.

A fact is what one event says about one row: column → value. Facts of a row are joined, and joining is
commutative, associative and idempotent: neither the order in which five topics arrive nor a repetition
changes the outcome. `db/facts.py` has the same join in SQL.
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
"""State column → the version of the aggregate that it came from. The state with the greater version wins."""

VERSIONS = frozenset(GUARDED_BY.values())
"""Columns that keep the greatest value."""

MOMENTS = frozenset({"placed_at", "confirmed_at", "reserved_at", "captured_at", "notified_at"})
"""Columns that keep the earliest value. All other columns are set by one event and filled in once."""

_ORDERS = ("orders.order.v1", "order_version")
_RESERVATIONS = ("inventory.reservation.v1", "reservation_version")
_PAYMENTS = ("payments.payment.v1", "payment_version")
_NOTIFICATIONS = ("notifications.notification.v1", "notified_at")
_PRODUCTS = ("inventory.product.v1", "version")
EVIDENCE = {
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
"""Column → the topic that tells it, and the column that every event of that topic sets. Two topics tell `currency`."""

LARGEST_INTEGER = 2**31 - 1
LARGEST_BIGINT = 2**63 - 1
"""What PostgreSQL's `integer` and `bigint` hold at most: versions are the one, amounts the other."""


class OrderState(StrEnum):
    """How an order stands."""

    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"


class ReservationState(StrEnum):
    """How an order's stock stands."""

    RESERVED = "RESERVED"
    REJECTED = "REJECTED"
    COMMITTED = "COMMITTED"
    RELEASED = "RELEASED"


class PaymentState(StrEnum):
    """How an order's money stands."""

    CAPTURED = "CAPTURED"
    DECLINED = "DECLINED"
    REFUNDED = "REFUNDED"


class GenerationState(StrEnum):
    """How a generation stands.

    BUILDING is written only, ACTIVE is written and read. RETIRED was replaced and waits for its rows to be
    deleted, REMOVED has none any more. CANCELLED was given up while it was BUILDING.
    """

    BUILDING = "BUILDING"
    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"
    REMOVED = "REMOVED"
    CANCELLED = "CANCELLED"


class RebuildAlreadyRunning(Exception):
    """One rebuild at a time: it reads everything anyway."""

    def __init__(self) -> None:
        super().__init__("A rebuild is running. Wait until it has become active, or cancel it.")


class RebuildAlreadyEnded(Exception):
    """A rebuild that is not BUILDING cannot be cancelled."""

    def __init__(self, generation: int, state: GenerationState) -> None:
        super().__init__(f"Generation {generation} is {state}. Only a BUILDING one can be cancelled.")
        self.generation = generation
        self.state = state


class RebuildCancelled(Exception):
    """The generation that a rebuild works on is not BUILDING any more."""


class UnknownRebuild(Exception):
    """There is no such generation."""

    def __init__(self, generation: int) -> None:
        super().__init__(f"There is no generation {generation}.")
        self.generation = generation


def join(one: Fact, other: Fact) -> dict[str, Any]:
    """What two facts about the same row say together."""
    return {column: _joined(column, one, other) for column in one.keys() | other.keys()}


def join_by(key: str, facts: Iterable[Fact]) -> list[Fact]:
    """One fact per row: facts with the same value in the column `key` are joined."""
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
