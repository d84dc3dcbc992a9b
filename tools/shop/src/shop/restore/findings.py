"""What a restore could not make whole, by order or product, with the command that cures it. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from shop_observe.kafka_log import Entry
from shop_oracle.evidence import Movement

PAID = frozenset({"payments.payment-captured.v1", "payments.payment-declined.v1"})
"""Events that make orders cancel an order that it does not know."""
RESERVED = "inventory.stock-reserved.v1"
FREED = frozenset({"inventory.stock-released.v1", "inventory.stock-committed.v1"})
OF_ORDERS = frozenset({*PAID, RESERVED})
"""Events of other services that tell of an order which held stock or money."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An order or a product that the restore has not made whole."""

    subject: str
    """Such as ``order 0198…`` or ``product MUG``."""
    what: str
    cure: str
    """A command."""


@dataclass(frozen=True, slots=True)
class Stock:
    """The stock of a product that no event tells."""

    initial: int
    replenished: int


def lost_orders(entries: Sequence[Entry], known: Collection[str], handled: Collection[str]) -> list[Finding]:
    """Orders that other services worked on, and that `orders` has forgotten with all its events about them.

    `known` are the ids of the orders that it has, `handled` the ids of the events in its inbox.
    """
    types: dict[str, set[str]] = {}
    ends: set[str] = set()
    for entry in entries:
        if entry.fault or entry.key in known or entry.type not in OF_ORDERS | FREED:
            continue
        types.setdefault(entry.key, set()).add(entry.type)
        if entry.type in PAID and entry.id not in handled:
            ends.add(entry.key)
    return [_lost(order, order in ends) for order, seen in types.items() if not seen & FREED or seen & PAID]


def _lost(order: str, ends: bool) -> Finding:
    if ends:
        what = "orders has lost it with its events, and cancels it now: its stock is released, and its payment refunded"
        return Finding(f"order {order}", f"{what}. Tell its customer", f"shop watch {order}")
    what = (
        "orders has lost it with its events, and no event about its payment is left: its stock stays reserved"
    )
    return Finding(
        f"order {order}", what, f"shop send order-cancelled --set order_id={order} --set reason=unknown_order"
    )


def open_charges(ledger: Iterable[Movement], charged: Collection[str]) -> list[Finding]:
    """Charges that payments will never know, and that were not refunded.

    `charged` are the orders whose payment has a charge, or asks for it. No event tells the others, so orders confirms
    none of them.
    """
    entries = list(ledger)
    refunded = {entry.charge_id for entry in entries if entry.kind == "refund"}
    return [
        Finding(
            f"order {entry.reference}",
            f"its card was charged ({entry.charge_id}), no event tells it, and payments cannot ask for the charge "
            "again: its order is not confirmed, and nothing refunds it",
            _refund(entry),
        )
        for entry in entries
        if entry.kind == "charge" and entry.reference not in charged and entry.charge_id not in refunded
    ]


def _refund(charge: Movement) -> str:
    return (
        f"curl -s localhost:18010/charges/{charge.charge_id}/refunds"
        f' -H "Authorization: Bearer $(shop token processor)" -H "Idempotency-Key: refund-of-{charge.charge_id}"'
        f" -H 'Content-Type: application/json'"
        f' -d \'{{"amount_minor": {charge.amount_minor}, "currency": "{charge.currency}"}}\''
    )


def unknown_stock(
    before: Mapping[str, Stock], after: Mapping[str, Stock], former: Mapping[str, Stock]
) -> list[Finding]:
    """Products whose stock the restored table does not know: listed, or replenished, after its time.

    SKU → stock: `before` and `after` the facts of events were written, and in the `former` database, which may be
    damaged or missing ({}).
    """
    found = []
    for sku, stock in after.items():
        then = former.get(sku)
        lacking = then.initial + then.replenished - stock.initial - stock.replenished if then else 0
        if lacking > 0:
            what = f"the database from before had {lacking} pieces more, which no event tells"
            found.append(Finding(f"product {sku}", what, _replenish(sku, str(lacking))))
        elif then is None and (sku not in before or stock.replenished > before[sku].replenished):
            what = "it was listed or replenished after the time of the database: only pieces that orders reserved count"
            found.append(Finding(f"product {sku}", what, _replenish(sku, "PIECES")))
    return found


def _replenish(sku: str, pieces: str) -> str:
    return (
        f'curl -s localhost:18002/products/{sku}/replenish -H "Authorization: Bearer $(shop token clerk)"'
        f" -H 'Content-Type: application/json' -d '{{\"quantity\": {pieces}}}'"
    )


def unknown_causes(entries: Sequence[Entry]) -> list[Finding]:
    """Own events that could not be written into the tables, because what they do not tell is not known."""
    return [
        Finding(
            f"order {entry.key}",
            f"the table has no row for {entry.type}: what it does not tell itself is in no ledger and on no topic",
            f"shop why {entry.key}",
        )
        for entry in entries
    ]
