"""Invariant 3: money is kept for confirmed orders only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from shop_observe.kafka_log import Entry
from shop_oracle.evidence import Evidence, Movement
from shop_oracle.invariants.judgement import Judgement

MOVED = {
    "payments.payment-captured.v1": ("amount", 1),
    "payments.payment-refunded.v1": ("amount", -1),
    "payments.payment-refunded.v2": ("refunded", -1),
}
"""Event type → (the field with the amount, its sign)."""


def money_is_conserved(evidence: Evidence) -> Judgement:
    """Money is conserved: charged ⇔ confirmed, or refunded

    For each order: the processor's ledger = captured - refunded.
    """
    judgement = Judgement(f"{len(evidence.ledger)} ledger entries, {len(evidence.payments)} payments")
    kept: dict[str, Counter[str]] = defaultdict(Counter)
    unknown = evidence.unknown_orders()
    left = left_of_charges(evidence.ledger)
    for entry in evidence.ledger:
        order_id = evidence.order_of(entry)
        given_back = entry.reference in unknown and not left[entry.charge_id]
        judgement.expect(
            order_id != "" or given_back,
            f"charge {entry.charge_id}",
            "an order that it is for",
            entry.reference,
        )
        kept[order_id][entry.currency] += (
            entry.amount_minor if entry.kind == "charge" else -entry.amount_minor
        )
    told = money_in(evidence.events())
    for order in evidence.ended_orders():
        owed = {order.currency: order.total_minor} if order.state == "CONFIRMED" else {}
        why = f"{owed or 'nothing'} kept: it is {order.state}"
        ledger = {currency: amount for currency, amount in kept[order.id].items() if amount}
        judgement.expect(ledger == owed, f"order {order.id}", f"in the processor's ledger {why}", ledger)
        if evidence.log.remembers(order.placed_at):
            log = {currency: amount for currency, amount in told[order.id].items() if amount}
            judgement.expect(log == owed, f"order {order.id}", f"captured - refunded in the log: {why}", log)
    return judgement


def left_of_charges(ledger: Iterable[Movement]) -> Mapping[str, int]:
    """Charge id → minor units that were charged and not refunded."""
    left: Counter[str] = Counter()
    for entry in ledger:
        left[entry.charge_id] += entry.amount_minor if entry.kind == "charge" else -entry.amount_minor
    return left


def money_in(entries: Iterable[Entry]) -> Mapping[str, Counter[str]]:
    """Order id → currency → captured - refunded, in minor units.

    A repeated event counts once, and so does a refund that is told in both versions of its event.
    """
    told: dict[str, Counter[str]] = defaultdict(Counter)
    counted: set[str] = set()
    for entry in entries:
        if entry.type not in MOVED or (movement := entry.data.get("refund_id") or entry.id) in counted:
            continue
        counted.add(movement)
        field, sign = MOVED[entry.type]
        amount = entry.data.get(field, {})
        told[entry.key][amount.get("currency", "?")] += sign * amount.get("amount_minor", 0)
    return told
