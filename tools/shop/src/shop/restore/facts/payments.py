"""Payments and refunds, from the events of payments, and from the ledger of the card processor.

The events do not tell the processor's id of a charge, which a refund needs: `more` has it, from the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def _settle(state: str, at: str) -> str:
    return f"""
    INSERT INTO payments AS p (order_id, payment_id, customer_id, amount_minor, currency, state, version,
                               stock_reserved, charge_id, reason, cause, settled_at)
    SELECT (d ->> 'order_id')::uuid, (d ->> 'payment_id')::uuid, d ->> 'customer_id',
           (d -> 'amount' ->> 'amount_minor')::bigint, d -> 'amount' ->> 'currency', '{state}',
           (d ->> 'version')::int, true, more ->> 'charge_id', d ->> 'reason', cause, (d ->> '{at}')::timestamptz
    FROM e ON CONFLICT (order_id) DO UPDATE
    SET payment_id = excluded.payment_id, customer_id = excluded.customer_id, amount_minor = excluded.amount_minor,
        currency = excluded.currency, state = excluded.state, version = excluded.version, stock_reserved = true,
        charge_id = excluded.charge_id, reason = excluded.reason, token = NULL, due_at = NULL,
        settled_at = excluded.settled_at
    WHERE p.state NOT IN ('CAPTURED', 'DECLINED', 'REFUNDED')
    """


_REFUND = """
    INSERT INTO refunds AS r (refund_id, payment_id, order_id, amount_minor, currency, state, cause, requested_at,
                              refunded_at)
    SELECT (d ->> 'refund_id')::uuid, (d ->> 'payment_id')::uuid, (d ->> 'order_id')::uuid,
           (amount ->> 'amount_minor')::bigint, amount ->> 'currency', 'REFUNDED', cause, at, at
    FROM e, LATERAL (SELECT coalesce(d -> 'refunded', d -> 'amount') AS amount,
                            (d ->> 'refunded_at')::timestamptz AS at) AS told
    ON CONFLICT (order_id) DO UPDATE
    SET refund_id = excluded.refund_id, state = 'REFUNDED', due_at = NULL, refunded_at = excluded.refunded_at
    WHERE r.state = 'PENDING'
"""

_CLOSE = """
    UPDATE payments AS p
    SET state = 'REFUNDED', version = (d ->> 'version')::int, cancel_cause = coalesce(p.cancel_cause, e.cause),
        cancel_reason = coalesce(p.cancel_reason, d ->> 'reason')
    FROM e WHERE p.order_id = (d ->> 'order_id')::uuid AND p.state = 'CAPTURED'
"""

OPEN_REFUNDS = """
    INSERT INTO refunds (refund_id, payment_id, order_id, amount_minor, currency, state, due_at, cause)
    SELECT gen_random_uuid(), payment_id, order_id, amount_minor, currency, 'PENDING', now(), cancel_cause
    FROM payments WHERE state = 'CAPTURED' AND cancel_cause IS NOT NULL
    ON CONFLICT (order_id) DO NOTHING
"""
"""A payment that was cancelled before the time of the database, and charged after it: its refund is due."""

STATEMENTS: Mapping[str, Sequence[str]] = {
    "payments.payment-captured.v1": (_settle("CAPTURED", "captured_at"),),
    "payments.payment-declined.v1": (_settle("DECLINED", "declined_at"),),
    "payments.payment-refunded.v1": (_REFUND, _CLOSE),
    "payments.payment-refunded.v2": (_REFUND, _CLOSE),
}
