"""Charges whose result the restored database of payments does not know: it asks the card processor again.

A payment that was never called for becomes VOIDED when its order is cancelled. So a restored payment must say that the
processor was called, although no event tells it. Two places know it: the ledger of the processor, and a row of the
former database that still waits for a result. Amount and card token come from the restored row, or from the event that
told them to payments.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from uuid import UUID, uuid5

from shop.restore import outbox
from shop_observe.kafka_log import Entry

PLACED = "orders.order-placed.v1"


def payment_id_of(order_id: str) -> UUID:
    """The id of an order's payment, as the service computes it: the key at the processor."""
    return uuid5(UUID(order_id), "payment")


async def ask_again(connection: outbox.Connection, entries: Iterable[Entry], called: Collection[str]) -> None:
    """Let payments ask for the charges of these orders again, with the same key.

    `called` are the orders for which the processor was called. The payment of each becomes CAPTURING, unless its result
    is known, or neither the table nor Kafka has its card token. Call it when the facts are written.
    """
    await connection.execute(_WITH_TOKEN, list(called))
    left = set(called) - {row[0] for row in await connection.fetch(_HAS_TOKEN_OR_RESULT)}
    for entry in entries:
        if entry.type == PLACED and entry.key in left:
            payment_id = payment_id_of(entry.key)
            await connection.execute(_WITHOUT_TOKEN, entry.value.decode(), payment_id, _cause_of(entry))


def _cause_of(entry: Entry) -> str:
    """The event as the cause of what follows it, as the service stores it."""
    return json.dumps(
        {
            "event_id": entry.id,
            "correlation_id": entry.correlation_id,
            "traceparent": entry.traceparent or None,
        }
    )


_WITH_TOKEN = """
    UPDATE payments SET state = 'CAPTURING', stock_reserved = true, due_at = now()
    WHERE order_id::text = ANY($1::text[]) AND state IN ('OPENED', 'DUE')
"""
_HAS_TOKEN_OR_RESULT = "SELECT order_id::text FROM payments WHERE state <> 'AWAITING'"
_WITHOUT_TOKEN = """
    INSERT INTO payments AS p (order_id, payment_id, customer_id, amount_minor, currency, token, state, stock_reserved,
                               due_at, cause)
    SELECT (d ->> 'order_id')::uuid, $2, d ->> 'customer_id', (d -> 'total' ->> 'amount_minor')::bigint,
           d -> 'total' ->> 'currency', d ->> 'payment_token', 'CAPTURING', true, now(), $3::jsonb
    FROM (SELECT $1::jsonb AS d) AS e ON CONFLICT (order_id) DO UPDATE
    SET customer_id = excluded.customer_id, amount_minor = excluded.amount_minor, currency = excluded.currency,
        token = excluded.token, state = excluded.state, stock_reserved = true, due_at = excluded.due_at,
        cause = excluded.cause
    WHERE p.state = 'AWAITING'
"""
