"""Evidence of a shop in which everything holds, for tests to plant violations in."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shop_observe.history import Request
from shop_observe.kafka_log import Entry
from shop_observe.topics import Topic, declared_topics
from shop_observe.traces import Span
from shop_oracle.evidence import (
    Evidence,
    Message,
    Movement,
    Order,
    Payment,
    Product,
    Refund,
    Reservation,
    Written,
)
from shop_oracle.gather import declared_subscriptions

CONTRACTS = next(
    p for parent in Path(__file__).parents if (p := parent / "contracts" / "topics.yaml").exists()
).parent
BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EUR = {"currency": "EUR"}
STARTED_WITH = 1_000


@cache
def declared() -> tuple[list[Topic], dict[str, frozenset[str]]]:
    """The topics, and who subscribes to what."""
    topics = declared_topics(CONTRACTS)
    return topics, declared_subscriptions(CONTRACTS, topics)


class World:
    """Makes evidence out of whole orders: each leaves every trace that a real one leaves."""

    def __init__(self) -> None:
        topics, subscriptions = declared()
        self.topics = {event: topic for topic in topics for event in topic.events}
        self.evidence = Evidence(
            taken_at=BEGIN + timedelta(hours=1),
            topics=topics,
            subscriptions=subscriptions,
        )
        self._numbers = iter(range(1, 10_000))
        self._offsets: dict[str, int] = {}
        self._list_product("MUG", 1_200)

    def order(self, outcome: str) -> str:
        """Add an order that was ``confirmed``, ``declined``, ``out_of_stock`` or ``refunded`` (by its deadline)."""
        order_id = self.new_id()
        placed_at = self._now()
        quantity = 3
        lines = [{"sku": "MUG", "quantity": quantity, "unit_price": {"amount_minor": 1_200, **EUR}}]
        pieces = [{"sku": "MUG", "quantity": quantity}]
        total = {"amount_minor": 3_600, **EUR}
        payment_id = self.new_id()
        self._acknowledge(order_id)
        whose = {"customer_id": "ada", "total": total}
        paid = {"payment_id": payment_id, "customer_id": "ada", "amount": total}
        self.tell(
            "orders.order-placed.v1",
            order_id,
            1,
            customer_id="ada",
            lines=lines,
            total=total,
            payment_token="tok_ok",
            placed_at=placed_at.isoformat(),
            deadline_at=(placed_at + timedelta(minutes=1)).isoformat(),
        )
        state, reason, stock, payment, kinds = "CONFIRMED", "", "COMMITTED", "CAPTURED", ["confirmed"]
        if outcome == "out_of_stock":
            state, reason, stock, payment, kinds = "REJECTED", outcome, "REJECTED", "OPENED", ["rejected"]
            shortages = [{"sku": "MUG", "requested": quantity, "available": 0}]
            self.tell(
                "inventory.stock-rejected.v1", order_id, 1, shortages=shortages, rejected_at=self.time()
            )
            self.tell(
                "orders.order-rejected.v1", order_id, 2, **whose, reason=reason, rejected_at=self.time()
            )
        else:
            self.tell("inventory.stock-reserved.v1", order_id, 1, lines=pieces, reserved_at=self.time())
        match outcome:
            case "confirmed":
                self._charge(order_id)
                self.tell("payments.payment-captured.v1", order_id, 1, **paid, captured_at=self.time())
                self.tell("orders.order-confirmed.v1", order_id, 2, **whose, confirmed_at=self.time())
                self.tell("inventory.stock-committed.v1", order_id, 2, lines=pieces, committed_at=self.time())
                self._sell(quantity)
            case "declined":
                state, reason, stock, payment = "REJECTED", "payment_declined", "RELEASED", "DECLINED"
                kinds = ["rejected"]
                declined = {**paid, "reason": "declined"}
                self.tell("payments.payment-declined.v1", order_id, 1, **declined, declined_at=self.time())
                rejected = {**whose, "reason": reason}
                self.tell("orders.order-rejected.v1", order_id, 2, **rejected, rejected_at=self.time())
                self.tell("inventory.stock-released.v1", order_id, 2, lines=pieces, released_at=self.time())
            case "refunded":
                state, reason, stock, payment = "CANCELLED", "deadline", "RELEASED", "REFUNDED"
                kinds = ["cancelled", "refunded"]
                refund_id = self.new_id()
                cancelled = {**whose, "reason": reason}
                self.tell("orders.order-cancelled.v1", order_id, 2, **cancelled, cancelled_at=self.time())
                self.tell("inventory.stock-released.v1", order_id, 2, lines=pieces, released_at=self.time())
                self._charge(order_id)
                self.tell("payments.payment-captured.v1", order_id, 1, **paid, captured_at=self.time())
                refunded = {**paid, "refund_id": refund_id}
                self.tell("payments.payment-refunded.v1", order_id, 2, **refunded, refunded_at=self.time())
                self.evidence.ledger.append(Movement("refund", f"ch-{order_id}", order_id, 3_600, "EUR"))
                self.evidence.refunds.append(Refund(refund_id, order_id, 3_600, "EUR", "REFUNDED"))
        for kind in kinds:
            self._notify(order_id, kind)
        traceparent = f"00-{UUID(order_id).hex}-00f067aa0ba902b7-01"
        deadline_at = placed_at + timedelta(minutes=1)
        self.evidence.orders[order_id] = Order(
            order_id, state, reason, 3_600, "EUR", placed_at, deadline_at, self._now(), traceparent
        )
        self.evidence.reservations[order_id] = Reservation(order_id, stock, (("MUG", quantity),))
        self.evidence.payments[order_id] = Payment(order_id, payment_id, payment, 3_600, "EUR")
        self.evidence.traces.of_order[order_id] = self._spans(order_id)
        return order_id

    def tell(self, type_: str, key: str, version: int | None, **data: Any) -> Entry:
        """An event as its service writes it, sends it, and as every subscriber takes it."""
        topic = self.topics[type_]
        key_field = {"inventory.product.v1": "sku"}.get(topic.name, "order_id")
        body = {key_field: key, **({"version": version} if version else {}), **data}
        moment = self._now()
        entry = Entry(
            topic=topic.name,
            partition=0,
            offset=self._next_offset(topic.name),
            sent_ms=round(moment.timestamp() * 1000),
            key=key,
            id=self.new_id(),
            source=f"/{topic.owner}",
            type=type_,
            correlation_id=key,
            causation_id="",
            traceparent="",
            decided_at=moment.isoformat(),
            value=json.dumps(body).encode(),
        )
        self.evidence.log.entries.append(entry)
        self.evidence.outbox.append(Written(topic.owner, entry.id, topic.name, key, type_, moment))
        for group in topic.readers:
            if type_ in self.evidence.subscriptions[group]:
                self.evidence.inbox.setdefault(group, set()).add((entry.source, entry.id))
        return entry

    def new_id(self) -> str:
        return str(UUID(int=next(self._numbers)))

    def time(self) -> str:
        return self._now().isoformat()

    def finished(self) -> Evidence:
        """The evidence, with what analytics makes of it; the log is ordered as it is read."""
        self.evidence.log.entries.sort(key=lambda entry: (entry.topic, entry.partition, entry.offset))
        return self.evidence

    def _now(self) -> datetime:
        return BEGIN + timedelta(milliseconds=next(self._numbers))

    def _next_offset(self, topic: str) -> int:
        self._offsets[topic] = self._offsets.get(topic, -1) + 1
        return self._offsets[topic]

    def _list_product(self, sku: str, price: int) -> None:
        price_now = {"amount_minor": price, **EUR}
        self.tell("inventory.product-listed.v1", sku, 1, name=sku.title(), price=price_now)
        self.evidence.products[sku] = Product(sku, STARTED_WITH, 0, STARTED_WITH, 0, 0)
        listed = Request("run", 0, "list-product", "", sku, "", STARTED_WITH, 0.0, status=201)
        self.evidence.requests = [listed]

    def _acknowledge(self, order_id: str) -> None:
        number = len(self.evidence.requests)
        placed = Request(
            "run", number, "place-order", f"key-{number}", "", "", 0, 0.0, status=202, order_id=order_id
        )
        self.evidence.requests = [*self.evidence.requests, placed]

    def _sell(self, quantity: int) -> None:
        p = self.evidence.products["MUG"]
        left, sold = p.on_hand - quantity, p.sold + quantity
        self.evidence.products["MUG"] = Product("MUG", p.initial, p.replenished, left, p.reserved, sold)

    def _charge(self, order_id: str) -> None:
        self.evidence.ledger.append(Movement("charge", f"ch-{order_id}", order_id, 3_600, "EUR"))

    def _notify(self, order_id: str, kind: str) -> None:
        message_id = self.new_id()
        sent = {"notification_id": message_id, "kind": kind, "channel": "log", "sent_at": self.time()}
        self.tell("notifications.notification-sent.v1", order_id, 1, **sent)
        self.evidence.messages.append(Message(message_id, order_id, kind, "SENT"))

    def _spans(self, order_id: str) -> list[Span]:
        trace_id = UUID(order_id).hex
        root = Span(trace_id, "1", "", (), "orders", "POST /orders", "server", 0, 9, False, {})
        others = ("inventory", "payments", "notifications", "analytics")
        return [
            root,
            *(Span(trace_id, s, "1", (), s, "process", "consumer", 1, 2, False, {}) for s in others),
        ]


@pytest.fixture
def world() -> World:
    """A shop with one product and no order."""
    return World()


@pytest.fixture
def clean(world: World) -> Evidence:
    """Evidence of one order of each outcome in which everything holds."""
    for outcome in ("confirmed", "declined", "out_of_stock", "refunded", "confirmed"):
        world.order(outcome)
    return with_projections(world.finished())


@pytest.fixture
def project() -> Callable[[Evidence], Evidence]:
    """Write down what analytics would make of the log as it is."""
    return with_projections


def with_projections(evidence: Evidence) -> Evidence:
    """A hand-made read side: one confirmed order is 36.00 EUR and three mugs."""
    evidence.facts = {order.id: facts_of(evidence, order) for order in evidence.orders.values()}
    states = [order.state for order in evidence.orders.values()]
    confirmed = states.count("CONFIRMED")
    refunds = len(evidence.refunds)
    captured = [o.id for o in evidence.orders.values() if o.state == "CONFIRMED" or o.reason == "deadline"]
    reserved = [o.id for o in evidence.orders.values() if o.reason != "out_of_stock"]
    waits = sorted(waits_of(evidence))
    evidence.reports = {
        "orders-by-state": {
            "states": [{"state": state, "orders": states.count(state)} for state in sorted(set(states))]
        },
        "revenue": {
            "currencies": [
                {
                    "currency": "EUR",
                    "confirmed_orders": confirmed,
                    "revenue_minor": confirmed * 3_600,
                    "refunds": refunds,
                    "refunded_minor": refunds * 3_600,
                }
            ]
        },
        "top-products": {
            "products": [
                {
                    "sku": "MUG",
                    "name": "Mug",
                    "currency": "EUR",
                    "quantity": confirmed * 3,
                    "revenue_minor": confirmed * 3_600,
                }
            ]
        },
        "funnel": {
            "placed": len(states),
            "reserved": len(reserved),
            "captured": len(captured),
            "confirmed": confirmed,
            "notified": confirmed,
        },
        "time-to-confirm": {
            "orders": confirmed,
            "p50": float((waits[0] + waits[1]) / 2),
            "p90": float(waits[0] + Decimal("0.9") * (waits[1] - waits[0])),
            "p99": float(waits[0] + Decimal("0.99") * (waits[1] - waits[0])),
        },
    }
    return evidence


def facts_of(evidence: Evidence, order: Order) -> dict[str, Any]:
    payment = evidence.payments[order.id].state
    told = {"CAPTURED": 1, "DECLINED": 1, "REFUNDED": 2}.get(payment)
    stock = evidence.reservations[order.id].state
    return {
        "order_id": order.id,
        "order_state": order.state,
        "order_version": 2,
        "reservation_state": stock,
        "reservation_version": 1 if stock == "REJECTED" else 2,
        "payment_state": payment if told else None,
        "payment_version": told,
        "total_minor": order.total_minor,
        "currency": order.currency,
        "refunded_minor": 3_600 if payment == "REFUNDED" else None,
    }


def waits_of(evidence: Evidence) -> list[Decimal]:
    """Exact seconds, as analytics counts them."""
    events = {(entry.key, entry.type): entry.data for entry in evidence.log.entries}
    return [
        Decimal(
            str(
                (
                    datetime.fromisoformat(data["confirmed_at"])
                    - datetime.fromisoformat(events[key, "orders.order-placed.v1"]["placed_at"])
                ).total_seconds()
            )
        )
        for (key, type_), data in events.items()
        if type_ == "orders.order-confirmed.v1"
    ]
