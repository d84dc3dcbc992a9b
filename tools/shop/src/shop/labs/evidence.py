"""What a check looks at: the parts of a shop at the start of a lab and now, and the orders between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shop.labs.database import database
from shop.labs.reports import Reports
from shop.labs.shipping import Shipping
from shop_stack.target import Target

CLOCK = "SELECT extract(epoch FROM clock_timestamp())::float8"
ORDERS = """
    SELECT extract(epoch FROM placed_at)::float8, extract(epoch FROM ended_at)::float8
    FROM orders WHERE placed_at >= to_timestamp($1)
"""


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """An order. Times are seconds since 1970, by the clock of the database; `ended` is None while it is PENDING."""

    placed: float
    ended: float | None


@dataclass(frozen=True, slots=True)
class Start:
    """A shop when a lab was started."""

    at: float
    """Seconds since 1970, by the clock of the database of orders."""
    parts: Mapping[str, str]
    """Part → its identity, which another process or pod in its place does not have (shop.labs.parts)."""
    commit: str = ""
    """The commit at which the clone of the lab began; empty if the lab has no clone of its own."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that a check may look at."""

    start: Start
    parts: Mapping[str, str]
    orders: Sequence[PlacedOrder]
    """Those that were placed since the start."""
    shipping: Shipping = field(default_factory=Shipping)
    reports: Reports = field(default_factory=Reports)


async def clock(target: Target) -> float:
    """The time of the database of orders, in seconds since 1970. Raises UserError if it does not answer."""
    async with database(target, "orders") as connection:
        return float(await connection.fetchval(CLOCK))


async def orders_since(target: Target, at: float) -> list[PlacedOrder]:
    """The orders that were placed since a time of the same clock. Raises UserError if the database does not answer."""
    async with database(target, "orders") as connection:
        return [PlacedOrder(row[0], row[1]) for row in await connection.fetch(ORDERS, at)]
