"""The oracle's own projections, rebuilt from the Kafka log alone.

They are independent on purpose: this module shares no code and no table with analytics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, TypeVar

from shop_observe.kafka_log import Entry

STATES = {
    "orders.order-placed.v1": ("order", "PENDING"),
    "orders.order-confirmed.v1": ("order", "CONFIRMED"),
    "orders.order-rejected.v1": ("order", "REJECTED"),
    "orders.order-cancelled.v1": ("order", "CANCELLED"),
    "inventory.stock-reserved.v1": ("reservation", "RESERVED"),
    "inventory.stock-rejected.v1": ("reservation", "REJECTED"),
    "inventory.stock-committed.v1": ("reservation", "COMMITTED"),
    "inventory.stock-released.v1": ("reservation", "RELEASED"),
    "payments.payment-captured.v1": ("payment", "CAPTURED"),
    "payments.payment-declined.v1": ("payment", "DECLINED"),
    "payments.payment-refunded.v1": ("payment", "REFUNDED"),
    "payments.payment-refunded.v2": ("payment", "REFUNDED"),
}
"""Event type → (the aggregate that it changes, the state of the aggregate after it)."""

STEPS = {
    "orders.order-placed.v1": "placed",
    "inventory.stock-reserved.v1": "reserved",
    "payments.payment-captured.v1": "captured",
    "orders.order-confirmed.v1": "confirmed",
    "notifications.notification-sent.v1": "notified",
}
"""Event type → the step of the funnel, in the order of the steps."""

COMPARED = (
    "order_state",
    "order_version",
    "reservation_state",
    "reservation_version",
    "payment_state",
    "payment_version",
    "total_minor",
    "currency",
    "refunded_minor",
)
"""The columns of analytics.order_facts that are compared with the replay."""

Facts = dict[str, Any]

Number = TypeVar("Number", float, Fraction)


def replay(entries: Iterable[Entry]) -> dict[str, Facts]:
    """Order id → what the log says of it: columns of COMPARED, `lines`, `steps`, `placed_at`, `confirmed_at`.

    A repeated event counts once. Entries that are not events of an order are skipped.
    """
    facts: dict[str, Facts] = {}
    for entry in entries:
        if entry.type not in STATES and entry.type not in STEPS:
            continue
        row = facts.setdefault(entry.key, {"steps": set()})
        data = entry.data
        if entry.type in STATES:
            aggregate, state = STATES[entry.type]
            if data.get("version", 0) > row.get(f"{aggregate}_version", 0):
                row[f"{aggregate}_version"], row[f"{aggregate}_state"] = data["version"], state
        if entry.type in STEPS:
            row["steps"].add(STEPS[entry.type])
        match entry.type:
            case "orders.order-placed.v1":
                row |= {
                    "placed_at": data["placed_at"],
                    "lines": data["lines"],
                    **amount(data, "total", "total_minor"),
                }
            case "orders.order-confirmed.v1":
                row["confirmed_at"] = data["confirmed_at"]
            case "payments.payment-refunded.v1":
                row |= amount(data, "amount", "refunded_minor")
            case "payments.payment-refunded.v2":
                row |= amount(data, "refunded", "refunded_minor")
    return facts


def amount(data: Mapping[str, Any], field: str, column: str) -> Facts:
    return {column: data[field]["amount_minor"], "currency": data[field]["currency"]}


def reports(facts: Iterable[Facts], names: Mapping[str, str]) -> dict[str, Any]:
    """The answers that the reports of analytics must give, in the same shapes. `names` is SKU → product name."""
    rows = list(facts)
    return {
        "orders-by-state": orders_by_state(rows),
        "revenue": revenue(rows),
        "top-products": top_products(rows, names),
        "funnel": funnel(rows),
        "time-to-confirm": time_to_confirm(rows),
    }


def product_names(entries: Iterable[Entry]) -> dict[str, str]:
    """SKU → name, by the newest event of each product."""
    newest: dict[str, tuple[int, str]] = {}
    for entry in entries:
        if entry.type in ("inventory.product-listed.v1", "inventory.product-priced.v1"):
            data = entry.data
            newest[data["sku"]] = max(newest.get(data["sku"], (0, "")), (data["version"], data["name"]))
    return {sku: name for sku, (_, name) in newest.items()}


def orders_by_state(rows: Sequence[Facts]) -> dict[str, Any]:
    counts = Counter(row["order_state"] for row in rows if "order_state" in row)
    return {"states": [{"state": state, "orders": count} for state, count in sorted(counts.items())]}


def revenue(rows: Sequence[Facts]) -> dict[str, Any]:
    return {
        "currencies": [
            revenue_in(currency, [row for row in rows if row.get("currency") == currency])
            for currency in sorted({row["currency"] for row in rows if "currency" in row})
        ]
    }


def revenue_in(currency: str, rows: Sequence[Facts]) -> dict[str, Any]:
    confirmed = [row.get("total_minor", 0) for row in rows if row.get("order_state") == "CONFIRMED"]
    refunded = [row["refunded_minor"] for row in rows if "refunded_minor" in row]
    return {
        "currency": currency,
        "confirmed_orders": len(confirmed),
        "revenue_minor": sum(confirmed),
        "refunds": len(refunded),
        "refunded_minor": sum(refunded),
    }


def top_products(rows: Sequence[Facts], names: Mapping[str, str]) -> dict[str, Any]:
    quantities: Counter[tuple[str, str]] = Counter()
    earned: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row.get("order_state") == "CONFIRMED":
            for line in row.get("lines", ()):
                product = line["sku"], row["currency"]
                quantities[product] += line["quantity"]
                earned[product] += line["quantity"] * line["unit_price"]["amount_minor"]
    most_sold = sorted(quantities, key=lambda p: (-quantities[p], -earned[p], p[0]))[:TOP_PRODUCTS]
    return {
        "products": [
            {
                "sku": product[0],
                "name": names.get(product[0]),
                "currency": product[1],
                "quantity": quantities[product],
                "revenue_minor": earned[product],
            }
            for product in most_sold
        ]
    }


def funnel(rows: Sequence[Facts]) -> dict[str, Any]:
    counts = Counter[str]()
    for row in rows:
        for step in STEPS.values():
            if step not in row["steps"]:
                break
            counts[step] += 1
    return {step: counts[step] for step in STEPS.values()}


def time_to_confirm(rows: Sequence[Facts]) -> dict[str, Any]:
    """Orders, and p50, p90, p99 of the seconds from placed to confirmed.

    Fractions are exact, and analytics computes with decimals that are exact, too. Both yield the float
    that is nearest to the exact value, so they are compared without rounding.
    """
    waits = sorted(
        Fraction(_when(row["confirmed_at"]) - _when(row["placed_at"]), ONE_SECOND)
        for row in rows
        if "confirmed_at" in row and "placed_at" in row
    )
    found = {name: percentile(waits, share) for name, share in SHARES.items()}
    return {"orders": len(waits), **{name: None if at is None else float(at) for name, at in found.items()}}


def _when(timestamp: str) -> int:
    """Microseconds since 1970."""
    return (datetime.fromisoformat(timestamp) - EPOCH) // timedelta(microseconds=1)


def percentile(ordered: Sequence[Number], share: Number) -> Number | None:
    """The percentile of sorted numbers, interpolated like PostgreSQL's `percentile_cont`; None if there are none.

    `share` is from 0 to 1.
    """
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


SHARES = {"p50": Fraction(50, 100), "p90": Fraction(90, 100), "p99": Fraction(99, 100)}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ONE_SECOND = 1_000_000
"""In microseconds."""

TOP_PRODUCTS = 100
"""How many of the most sold products are compared: the largest number that the report gives."""


def comparable(reports: Mapping[str, Any]) -> dict[str, Any]:
    """The reports, with top-products in a fixed order: the order of equal rows may differ."""
    plain = dict(reports)
    if products := plain.get("top-products", {}).get("products"):
        plain["top-products"] = {
            "products": sorted(products, key=lambda product: (product["sku"], product["currency"]))
        }
    return plain
