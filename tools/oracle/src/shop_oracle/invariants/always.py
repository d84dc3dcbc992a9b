"""The invariants that hold at every moment, also while orders are in progress and parts of the shop are down.

The nine invariants are judged at rest. These four can be judged at any time, because no unfinished work violates them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from shop_oracle.evidence import Evidence
from shop_oracle.invariants.effects import expect_none_twice
from shop_oracle.invariants.judgement import Judgement
from shop_oracle.invariants.order_of_keys import no_key_is_out_of_order
from shop_oracle.invariants.stock import expect_counts_add_up

if TYPE_CHECKING:
    from shop_oracle.invariants import Invariant

LOG, LEDGER = "the Kafka log", "the card processor's ledger"
DATABASES = ("orders", "inventory", "payments", "notifications", "analytics")


def stock_always_adds_up(evidence: Evidence) -> Judgement:
    """Stock adds up at every moment

    The counts of each product agree with each other and with the reservations.
    """
    judgement = Judgement(f"{len(evidence.products)} products")
    expect_counts_add_up(judgement, evidence)
    return judgement


def no_effect_has_happened_twice(evidence: Evidence) -> Judgement:
    """No effect has happened twice so far

    Per order: at most one charge, one refund, one event of each kind and one message of each kind.
    """
    judgement = Judgement(f"{len(evidence.log.entries)} events, {len(evidence.messages)} messages")
    expect_none_twice(judgement, evidence)
    return judgement


def no_order_is_overcharged(evidence: Evidence) -> Judgement:
    """No order is charged more than it is worth, or refunded more than it was charged

    An order that `orders` does not have is left to the invariants that are judged at rest.
    """
    judgement = Judgement(f"{len(evidence.ledger)} ledger entries")
    moved: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in evidence.ledger:
        moved[entry.reference][entry.kind] += entry.amount_minor
    for order_id, amounts in moved.items():
        order = evidence.orders.get(order_id)
        if order is None:
            continue
        charged, refunded = amounts["charge"], amounts["refund"]
        most = f"a charge of at most {order.total_minor}"
        judgement.expect(charged <= order.total_minor, f"order {order_id}", most, charged)
        judgement.expect(refunded <= charged, f"order {order_id}", f"refunds of at most {charged}", refunded)
    return judgement


ALWAYS: Mapping[Invariant, Collection[str]] = {
    stock_always_adds_up: ("inventory",),
    no_effect_has_happened_twice: (LOG, LEDGER, *DATABASES),
    no_key_is_out_of_order: (LOG, *DATABASES),
    no_order_is_overcharged: (LEDGER, "orders"),
}
"""Invariant → the sources that it needs. Databases tell which records of the log are foreign."""
