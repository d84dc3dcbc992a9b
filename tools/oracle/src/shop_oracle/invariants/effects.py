"""Invariant 4: an effect happens once, however often its cause is delivered."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from shop_observe.history import Request
from shop_observe.kafka_log import Entry
from shop_oracle import replay
from shop_oracle.evidence import Evidence
from shop_oracle.invariants.judgement import Judgement

ONCE_PER_ORDER = frozenset({*replay.STATES})
"""Event types of which an order has at most one event."""

MESSAGE_OF = {"CONFIRMED": "confirmed", "REJECTED": "rejected", "CANCELLED": "cancelled"}


def no_effect_happens_twice(evidence: Evidence) -> Judgement:
    """No effect happens twice

    Per order: one reservation, one capture, one refund. Per cause: one message. Per idempotency key of a customer:
    one order.
    """
    judgement = Judgement(f"{len(evidence.events())} events, {len(evidence.messages)} messages")
    expect_none_twice(judgement, evidence)
    told = {(message.order_id, message.kind) for message in evidence.messages}
    for order in evidence.ended_orders():
        kind = MESSAGE_OF[order.state]
        judgement.expect((order.id, kind) in told, f"order {order.id}", f"one message `{kind}`", "none")
    return judgement


def expect_none_twice(judgement: Judgement, evidence: Evidence) -> None:
    """What holds at every moment: no effect that has happened so far has happened twice."""
    for (kind, order_id), count in Counter((e.kind, e.reference) for e in evidence.ledger).items():
        judgement.expect(count == 1, f"order {order_id}", f"one {kind} in the processor's ledger", count)
    for (type_, key), ids in effects_in(evidence.events()).items():
        judgement.expect(len(ids) == 1, f"order {key}", f"one {type_} in the log", sorted(ids))
    for (order_id, kind), count in Counter((m.order_id, m.kind) for m in evidence.messages).items():
        judgement.expect(count == 1, f"order {order_id}", f"one message `{kind}`", count)
    for (customer, key), orders in orders_by_key(evidence.requests).items():
        subject = f"idempotency key {key} of {customer or 'its customer'}"
        judgement.expect(len(orders) == 1, subject, "one order", sorted(orders))


def orders_by_key(requests: Iterable[Request]) -> Mapping[tuple[str, str], set[str]]:
    """(customer, idempotency key) → ids of the acknowledged orders. Two customers may use the same key."""
    orders: dict[tuple[str, str], set[str]] = defaultdict(set)
    for request in requests:
        if request.operation == "place-order" and request.status == 202 and request.key:
            orders[request.customer, request.key].add(request.order_id)
    return orders


def effects_in(entries: Iterable[Entry]) -> Mapping[tuple[str, str], set[str]]:
    """(event type, order id) → ids of the events. The type of a notification is followed by its kind."""
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in entries:
        if entry.type in ONCE_PER_ORDER:
            ids[entry.type, entry.key].add(entry.id)
        elif entry.type == "notifications.notification-sent.v1":
            ids[f"{entry.type} ({entry.data.get('kind')})", entry.key].add(entry.id)
    return ids
