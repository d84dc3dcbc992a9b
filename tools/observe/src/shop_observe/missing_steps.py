"""Computes which steps of an order are missing, from the events that have happened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from shop_observe.kafka_log import Entry
from shop_observe.timeline import ENDINGS

RESERVED = "inventory.stock-reserved.v1"
REJECTED = "inventory.stock-rejected.v1"
CAPTURED = "payments.payment-captured.v1"
DECLINED = "payments.payment-declined.v1"
SENT = "notifications.notification-sent.v1"


class OrderStep(NamedTuple):
    """One step of an order: the event that reports it."""

    service: str
    """The service that publishes the event."""
    event: str
    """In words, such as ``stock-committed`` or ``notification-sent (confirmed)``."""


def missing_steps(entries: Iterable[Entry]) -> list[OrderStep]:
    """The steps that one order still lacks, in the order of the saga; [] if every step has happened.

    A refund can be missing without being listed: if an order is cancelled during a charge, the event of the charge
    comes only when the card processor has answered.
    """
    events = [entry for entry in entries if not entry.fault]
    types = {entry.type for entry in events}
    ending = next((state for type_, state in ENDINGS.items() if type_ in types), None)
    if ending is None:
        return [_next_before_the_end(types)]
    happened = {_step_of(entry) for entry in events}
    return [step for step in _steps_after(ending, types) if step not in happened]


def _next_before_the_end(types: set[str]) -> OrderStep:
    """The next step of an order that has not ended."""
    if not types & {RESERVED, REJECTED}:
        return OrderStep("inventory", "stock-reserved or stock-rejected")
    if RESERVED in types and not types & {CAPTURED, DECLINED}:
        return OrderStep("payments", "payment-captured or payment-declined")
    return OrderStep("orders", "order-confirmed, order-rejected or order-cancelled")


def _steps_after(ending: str, types: set[str]) -> list[OrderStep]:
    """The steps that follow the end of an order; `types` are the event types that have happened."""
    steps = []
    if ending == "CONFIRMED":
        steps.append(OrderStep("inventory", "stock-committed"))
    elif RESERVED in types:
        steps.append(OrderStep("inventory", "stock-released"))
    steps.append(_message(ending.lower()))
    if ending == "CANCELLED" and CAPTURED in types:
        steps.append(OrderStep("payments", "payment-refunded"))
        steps.append(_message("refunded"))
    return steps


def _step_of(entry: Entry) -> OrderStep:
    if entry.type == SENT:
        return _message(str(entry.data.get("kind")))
    service, event, _ = entry.type.split(".")
    return OrderStep(service, event)


def _message(kind: str) -> OrderStep:
    return OrderStep("notifications", f"notification-sent ({kind})")
