"""Invariant 7: no order, stock, payment, refund or message stays unfinished."""

from __future__ import annotations

from datetime import timedelta

from shop_oracle.evidence import Evidence
from shop_oracle.invariants.judgement import Judgement

DEADLINE_GRACE = timedelta(seconds=15)
"""How long after its deadline an order may still be PENDING: the job that cancels it may be late on a busy machine."""

UNFINISHED_PAYMENTS = frozenset({"AWAITING", "DUE", "CAPTURING", "CANCELLING"})
"""States of an unfinished payment. OPENED is not one of them: without reserved stock the order needs no payment."""


def nothing_stays_locked(evidence: Evidence) -> Judgement:
    """Nothing stays locked

    Reserved stock and unfinished payments belong to PENDING orders only. No order is PENDING after its deadline.
    Each refund and each message is finished. An AWAITING payment of an order that orders does not have is allowed: no
    amount is known, so nothing can be charged, and payments voids it after an hour.
    """
    judgement = Judgement(f"{len(evidence.orders)} orders, {len(evidence.reservations)} reservations")
    for order in evidence.orders.values():
        overdue = order.state == "PENDING" and evidence.taken_at > order.deadline_at + DEADLINE_GRACE
        expected = f"ended by its deadline {order.deadline_at}"
        judgement.expect(not overdue, f"order {order.id}", expected, f"PENDING at {evidence.taken_at}")
    for reservation in evidence.reservations.values():
        owner = evidence.orders.get(reservation.order_id)
        alive = owner is not None and owner.state == "PENDING"
        state = owner.state if owner else "no such order"
        expected = "a PENDING order behind reserved stock"
        judgement.expect(
            reservation.state != "RESERVED" or alive, f"order {reservation.order_id}", expected, state
        )
    for payment in evidence.payments.values():
        owner = evidence.orders.get(payment.order_id)
        alive = owner is not None and owner.state == "PENDING"
        done = payment.state not in UNFINISHED_PAYMENTS
        allowed = alive or (owner is None and payment.state == "AWAITING")
        judgement.expect(done or allowed, f"order {payment.order_id}", "a finished payment", payment.state)
    for refund in evidence.refunds:
        done = refund.state == "REFUNDED"
        judgement.expect(done, f"order {refund.order_id}", "the refund made", refund.state)
    for message in evidence.messages:
        done = message.state in ("SENT", "FAILED")  # FAILED: it has no address, and an alert reports it
        judgement.expect(done, f"order {message.order_id}", f"message `{message.kind}` sent", message.state)
    return judgement
