"""The steps that are still to come for one order: owed now, possible now, and those that follow.

The table is that of docs/sagas/place-order.md; a test compares both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from shop_observe.kafka_log import Entry
from shop_observe.missing_steps import CAPTURED, DECLINED, REJECTED, RESERVED, SENT, missing_steps
from shop_observe.timeline import ENDINGS, short


class Certainty(StrEnum):
    """How certain a step is."""

    OWED = "owed"
    """A service must take it now, or one of its alternatives."""
    POSSIBLE = "possible"
    """It comes only if a customer, a deadline or the card processor causes it."""
    THEN = "then"
    """It may follow a step that is owed."""


UNKNOWN_ORDER = "only if orders does not have the order"


@dataclass(frozen=True, slots=True)
class Move:
    """One event that may follow another one."""

    service: str
    event: str
    condition: str


SAGA: Mapping[str, tuple[Move, ...]] = {
    "order-placed": (
        Move("inventory", "stock-reserved", "if there is enough stock"),
        Move("inventory", "stock-rejected", "if there is not enough stock"),
    ),
    "stock-reserved": (
        Move("payments", "payment-captured", "if the card is charged"),
        Move("payments", "payment-declined", "if the card is declined"),
    ),
    "stock-rejected": (Move("orders", "order-rejected", "because there is not enough stock"),),
    "payment-captured": (
        Move("orders", "order-confirmed", "unless the order was cancelled before"),
        Move("orders", "order-cancelled", UNKNOWN_ORDER),
    ),
    "payment-declined": (
        Move("orders", "order-rejected", "because the card was declined"),
        Move("orders", "order-cancelled", UNKNOWN_ORDER),
    ),
    "order-confirmed": (
        Move("inventory", "stock-committed", "the reserved stock is sold"),
        Move("notifications", "notification-sent", "the customer is told"),
    ),
    "order-rejected": (
        Move("inventory", "stock-released", "if stock was reserved"),
        Move("notifications", "notification-sent", "the customer is told"),
    ),
    "order-cancelled": (
        Move("inventory", "stock-released", "if stock was reserved"),
        Move("notifications", "notification-sent", "the customer is told"),
        Move("payments", "payment-refunded", "if the card was charged"),
    ),
    "payment-refunded": (Move("notifications", "notification-sent", "the customer is told of the refund"),),
    "stock-committed": (),
    "stock-released": (),
    "notification-sent": (),
}
"""Event → the events that it can lead to, without versions."""
CANCELLED = "order-cancelled"


@dataclass(frozen=True, slots=True)
class Coming:
    """One step that is still to come."""

    service: str
    event: str
    certainty: Certainty
    why: str
    until: str = ""
    """The time by which it comes (ISO 8601); empty if there is no such time."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def still_to_come(entries: Iterable[Entry]) -> list[Coming]:
    """The steps of one order, given the records of it so far; [] if every step has happened."""
    events = [entry for entry in entries if not entry.fault]
    types = {entry.type for entry in events}
    if not events:
        return []
    owed = [
        Coming(step.service, name, Certainty.OWED, why)
        for step in missing_steps(events)
        for name, why in _alternatives(step.event, types)
    ]
    found = [*owed, *_possible(types, _deadline(events), {step.event for step in owed})]
    return [*found, *_then([step.event for step in found], types)]


def _alternatives(text: str, types: set[str]) -> list[tuple[str, str]]:
    """The events that a missing step names, each with its condition."""
    names = text.replace(",", " or").split(" or ")
    if len(names) == 3:
        # An order that has not ended: what has happened decides which end it gets.
        before = next((type_ for type_ in (CAPTURED, DECLINED, REJECTED) if type_ in types), "")
        moves = [move for move in SAGA.get(short(before), ()) if move.condition != UNKNOWN_ORDER]
        return [(move.event, move.condition) for move in moves]
    conditions = {move.event: move.condition for moves in SAGA.values() for move in moves}
    return [(name.strip(), conditions.get(name.strip().partition(" ")[0], "")) for name in names]


def _deadline(events: Iterable[Entry]) -> str:
    return next((str(entry.data["deadline_at"]) for entry in events if "deadline_at" in entry.data), "")


def _possible(types: set[str], deadline: str, owed: set[str]) -> list[Coming]:
    ending = next((state for type_, state in ENDINGS.items() if type_ in types), None)
    if ending is None:
        why = "if the customer cancels it, or at its deadline"
        return [Coming("orders", CANCELLED, Certainty.POSSIBLE, why, deadline)]
    charge_unknown = RESERVED in types and not types & {CAPTURED, DECLINED}
    if ending == "CANCELLED" and charge_unknown and "payment-refunded" not in owed:
        why = "if a charge was under way when the order was cancelled: it is refunded"
        return [Coming("payments", "payment-captured", Certainty.POSSIBLE, why)]
    return []


def _then(begin: list[str], types: set[str]) -> list[Coming]:
    """The steps that may follow, each once, in the order in which they may come."""
    has_ended = any(type_ in types for type_ in ENDINGS)
    happened = {short(type_) for type_ in types if type_ != SENT}
    seen = {name.partition(" ")[0] for name in begin}
    waiting = list(dict.fromkeys(name.partition(" ")[0] for name in begin))
    found = []
    while waiting:
        event = waiting.pop(0)
        moves = (
            SAGA["order-cancelled"][2:] if has_ended and event == "payment-captured" else SAGA.get(event, ())
        )
        for move in moves:
            if move.event in seen or move.event in happened or move.condition == UNKNOWN_ORDER:
                continue
            seen.add(move.event)
            waiting.append(move.event)
            found.append(Coming(move.service, move.event, Certainty.THEN, move.condition))
    return found
