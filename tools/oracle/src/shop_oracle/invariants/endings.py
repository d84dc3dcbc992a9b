"""Invariant 1: each acknowledged order ends exactly once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from shop_observe.kafka_log import Entry
from shop_observe.timeline import ENDINGS
from shop_oracle.evidence import ENDED, Evidence
from shop_oracle.invariants.judgement import Judgement


def every_acknowledged_order_ends_once(evidence: Evidence) -> Judgement:
    """Every acknowledged order ends exactly once

    The end is CONFIRMED, REJECTED or CANCELLED, in the database and in the log.
    The invariant includes orders whose answer did not reach the client.
    """
    acknowledged = {r.order_id for r in evidence.requests if r.operation == "place-order" and r.status == 202}
    judgement = Judgement(f"{len(evidence.orders)} orders, {len(acknowledged)} acknowledged")
    for order_id in acknowledged - evidence.orders.keys():
        judgement.expect(
            False, f"order {order_id}", "an order: a client was told that it was accepted", "nothing"
        )
    endings = endings_in(evidence.events())
    for order in evidence.orders.values():
        ended = order.state in ENDED
        judgement.expect(ended, f"order {order.id}", "an end", f"{order.state} since {order.placed_at}")
        if evidence.log.remembers(order.placed_at):
            told = endings.get(order.id, [])
            expected = [order.state] if ended else []
            judgement.expect(told == expected, f"order {order.id}", f"the log tells {expected}", told)
    unknown = evidence.unknown_orders()
    for order_id in endings.keys() - evidence.orders.keys():
        # An order that the service `orders` does not know may be cancelled: its stock and money are returned.
        settled = order_id in unknown and "CONFIRMED" not in endings[order_id]
        judgement.expect(settled, f"order {order_id}", "an order: the log tells its end", "nothing")
    for request in evidence.requests:
        if request.operation == "cancel-order" and request.status in (200, 202):
            cancelled = evidence.orders.get(request.subject)
            state = cancelled.state if cancelled else "nothing"
            told_so = "CANCELLED: its customer was told so"
            judgement.expect(state == "CANCELLED", f"order {request.subject}", told_so, state)
    return judgement


def endings_in(entries: Iterable[Entry]) -> dict[str, list[str]]:
    """Order id → its terminal states in the log. A repeated event counts once."""
    events = {(entry.key, entry.id): ENDINGS[entry.type] for entry in entries if entry.type in ENDINGS}
    told: dict[str, list[str]] = defaultdict(list)
    for (order_id, _), state in events.items():
        told[order_id].append(state)
    return told
