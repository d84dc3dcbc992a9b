"""The Kafka messages of one confirmed order, as bytes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
READERS = {
    "orders": ("inventory.reservation.v1", "payments.payment.v1"),
    "inventory": ("orders.order.v1",),
    "payments": ("orders.order.v1", "inventory.reservation.v1"),
    "notifications": ("orders.order.v1", "payments.payment.v1"),
    "analytics": (
        "orders.order.v1",
        "inventory.reservation.v1",
        "payments.payment.v1",
        "notifications.notification.v1",
    ),
}
"""Consumer group → the topics of an order's messages that it reads."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One event type of an order, with an example of its data."""

    type: str
    topic: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it is sent."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


def messages_of(kinds: list[Kind], orders: int) -> Iterator[Message]:
    """The messages of `orders` orders. The messages of one order are in their order."""
    for _ in range(orders):
        order_id = str(uuid.uuid4()).encode()
        for kind in kinds:
            yield Message(kind.topic, order_id, kind.value, headers_of(kind.type, order_id))


def headers_of(type: str, order_id: bytes) -> list[tuple[str, bytes]]:
    """Headers as large as those of the shop. Their content does not matter."""
    name, _, version = type.rpartition(".")
    id = str(uuid.uuid4()).encode()
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", id),
        ("ce_source", b"/" + type.partition(".")[0].encode()),
        ("ce_type", type.encode()),
        ("ce_time", b"2026-03-02T09:00:00.250000+00:00"),
        ("ce_subject", order_id),
        ("ce_dataschema", f"urn:shopfloor:schema:{name}:{version}".encode()),
        ("content-type", b"application/json"),
        ("ce_correlationid", order_id),
        ("ce_causationid", id),
        ("traceparent", TRACEPARENT),
    ]
