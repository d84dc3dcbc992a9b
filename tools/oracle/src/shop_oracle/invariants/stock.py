"""Invariant 2: no stock is lost or created."""

from __future__ import annotations

from collections import Counter

from shop_oracle.evidence import Evidence
from shop_oracle.invariants.judgement import Judgement


def stock_is_conserved(evidence: Evidence) -> Judgement:
    """Stock is conserved

    `initial + replenished = on_hand + sold`. `on_hand` is at least `reserved`, and no count is negative. `reserved`
    and `sold` are sums over the reservations. Each reservation ends as its order ends.
    """
    judgement = Judgement(f"{len(evidence.products)} products, {len(evidence.reservations)} reservations")
    expect_counts_add_up(judgement, evidence)
    for request in evidence.requests:
        if request.operation == "list-product" and request.status == 201:
            product = evidence.products.get(request.subject)
            initial = product.initial if product else "nothing"
            told = f"initial {request.quantity}, as a client listed it"
            judgement.expect(initial == request.quantity, f"sku {request.subject}", told, initial)
    for order in evidence.ended_orders():
        reservation = evidence.reservations.get(order.id)
        state = reservation.state if reservation else "nothing"
        confirmed = order.state == "CONFIRMED"
        expected = f"stock {'committed' if confirmed else 'free'}: it is {order.state}"
        right = state == "COMMITTED" if confirmed else state not in ("COMMITTED", "RESERVED")
        judgement.expect(right, f"order {order.id}", expected, state)
    return judgement


def expect_counts_add_up(judgement: Judgement, evidence: Evidence) -> None:
    """What holds at every moment: the counts of a product agree with each other and with the reservations."""
    held, sold = pieces_in(evidence, "RESERVED"), pieces_in(evidence, "COMMITTED")
    for p in evidence.products.values():
        sku = f"sku {p.sku}"
        came, stands = p.initial + p.replenished, p.on_hand + p.sold
        judgement.expect(came == stands, sku, f"on_hand + sold = initial + replenished = {came}", stands)
        judgement.expect(
            p.on_hand >= p.reserved, sku, f"on_hand of at least the {p.reserved} reserved", p.on_hand
        )
        least = min(p.initial, p.replenished, p.on_hand, p.reserved, p.sold)
        judgement.expect(least >= 0, sku, "no negative count", least)
        judgement.expect(
            p.reserved == held[p.sku], sku, f"{held[p.sku]} reserved, by the reservations", p.reserved
        )
        judgement.expect(p.sold == sold[p.sku], sku, f"{sold[p.sku]} sold, by the reservations", p.sold)
    for name in (held.keys() | sold.keys()) - evidence.products.keys():
        judgement.expect(False, f"sku {name}", "a product: it is reserved or sold", "nothing")


def pieces_in(evidence: Evidence, state: str) -> Counter[str]:
    """SKU → pieces in the reservations of a state."""
    pieces: Counter[str] = Counter()
    for reservation in evidence.reservations.values():
        if reservation.state == state:
            for sku, quantity in reservation.lines:
                pieces[sku] += quantity
    return pieces
