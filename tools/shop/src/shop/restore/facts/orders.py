"""Orders and their ends, from the events of orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_PLACE = """
    INSERT INTO orders (id, customer_id, state, total_minor, currency, lines, history, version, placed_at, deadline_at,
                        traceparent)
    SELECT (d ->> 'order_id')::uuid, d ->> 'customer_id', 'PENDING',
           (d -> 'total' ->> 'amount_minor')::bigint, d -> 'total' ->> 'currency',
           (SELECT jsonb_agg(jsonb_build_object(
                'sku', line -> 'sku', 'quantity', line -> 'quantity',
                'unit_price_minor', line -> 'unit_price' -> 'amount_minor'))
            FROM jsonb_array_elements(d -> 'lines') AS line),
           jsonb_build_array(jsonb_build_object('event', type, 'state', 'PENDING', 'at', d -> 'placed_at')),
           (d ->> 'version')::int, (d ->> 'placed_at')::timestamptz, (d ->> 'deadline_at')::timestamptz, traceparent
    FROM e ON CONFLICT (id) DO NOTHING
"""


def _end(state: str, at: str) -> str:
    return f"""
    UPDATE orders AS o
    SET state = '{state}', reason = d ->> 'reason', version = (d ->> 'version')::int,
        ended_at = (d ->> '{at}')::timestamptz,
        history = history || jsonb_strip_nulls(jsonb_build_object(
            'event', type, 'state', '{state}', 'reason', d -> 'reason', 'at', d -> '{at}'))
    FROM e WHERE o.id = (d ->> 'order_id')::uuid AND o.state = 'PENDING'
    """


# An order with the reason `unknown_order` was never placed here.
_INSERT_CANCELLED = """
    INSERT INTO orders (id, customer_id, state, reason, total_minor, currency, lines, history, version, placed_at,
                        deadline_at, ended_at)
    SELECT (d ->> 'order_id')::uuid, d ->> 'customer_id', 'CANCELLED', d ->> 'reason',
           (d -> 'total' ->> 'amount_minor')::bigint, d -> 'total' ->> 'currency', '[]',
           jsonb_build_array(jsonb_build_object(
               'event', type, 'state', 'CANCELLED', 'reason', d -> 'reason', 'at', d -> 'cancelled_at')),
           (d ->> 'version')::int, at, at, at
    FROM e, LATERAL (SELECT (d ->> 'cancelled_at')::timestamptz AS at) AS moment
    ON CONFLICT (id) DO NOTHING
"""

STATEMENTS: Mapping[str, Sequence[str]] = {
    "orders.order-placed.v1": (_PLACE,),
    "orders.order-confirmed.v1": (_end("CONFIRMED", "confirmed_at"),),
    "orders.order-rejected.v1": (_end("REJECTED", "rejected_at"),),
    "orders.order-cancelled.v1": (_end("CANCELLED", "cancelled_at"), _INSERT_CANCELLED),
}
