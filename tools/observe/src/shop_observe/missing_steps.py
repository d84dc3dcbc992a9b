"""Which steps of an order's story are still to come, by the events that have happened."""

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


class MissingStep(NamedTuple):
    """An event that follows from those that have happened, and has not happened itself."""

    service: str
    """The service that publishes it."""
    event: str
    """In words, such as ``stock-committed`` or ``notification-sent (confirmed)``."""


def missing_steps(entries: Iterable[Entry]) -> list[MissingStep]:
    """The steps that one order still lacks, in the order of the saga; [] if its story is complete.

    A refund can follow late: the event of a charge that was under way when the order was cancelled comes when the
    card processor has answered.
    """
    events = [entry for entry in entries if not entry.fault]
    types = {entry.type for entry in events}
    told = {str(entry.data.get("kind")) for entry in events if entry.type == SENT}
    ending = next((ENDINGS[type_] for type_ in ENDINGS if type_ in types), None)
    if ending is None:
        return [_next_before_the_end(types)]
    wanted = []
    if ending == "CONFIRMED":
        wanted.append(("inventory", "stock-committed"))
    elif RESERVED in types:
        wanted.append(("inventory", "stock-released"))
    if ending == "CANCELLED" and CAPTURED in types:
        wanted.append(("payments", "payment-refunded"))
    missing = [MissingStep(service, event) for service, event in wanted if f"{service}.{event}.v1" not in types]
    kinds = [ending.lower(), *(["refunded"] if ("payments", "payment-refunded") in wanted else [])]
    missing += [MissingStep("notifications", f"notification-sent ({k})") for k in kinds if k not in told]
    return missing


def _next_before_the_end(types: set[str]) -> MissingStep:
    """The step that an order which has not ended waits for."""
    if not types & {RESERVED, REJECTED}:
        return MissingStep("inventory", "stock-reserved or stock-rejected")
    if RESERVED in types and not types & {CAPTURED, DECLINED}:
        return MissingStep("payments", "payment-captured or payment-declined")
    return MissingStep("orders", "order-confirmed, order-rejected or order-cancelled")
