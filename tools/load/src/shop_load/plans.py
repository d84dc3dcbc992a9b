"""Which orders a run places: every outcome has its share, and the same seed gives the same orders."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

CURRENCY = "EUR"


class Scenario(StrEnum):
    """What a customer does. The name says how the order ends in a shop without faults."""

    CONFIRMED = "confirmed"
    OUT_OF_STOCK = "out-of-stock"
    DECLINED = "declined"
    FLAKY = "flaky"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed-out"
    POSTED_TWICE = "posted-twice"
    CANCELLED_AT_ONCE = "cancelled-at-once"


MIX: Mapping[Scenario, float] = {
    Scenario.CONFIRMED: 0.58,
    Scenario.OUT_OF_STOCK: 0.10,
    Scenario.DECLINED: 0.08,
    Scenario.FLAKY: 0.05,
    Scenario.CANCELLED: 0.05,
    Scenario.TIMED_OUT: 0.04,
    Scenario.POSTED_TWICE: 0.06,
    Scenario.CANCELLED_AT_ONCE: 0.04,
}
TOKENS = {
    Scenario.DECLINED: "tok_declined",
    Scenario.FLAKY: "tok_flaky",
    Scenario.CANCELLED: "tok_slow",
    Scenario.TIMED_OUT: "tok_slow",
}
"""The kind of card of a scenario. The others pay with `tok_ok`."""


@dataclass(frozen=True, slots=True)
class Product:
    sku: str
    name: str
    price_minor: int
    on_hand: int
    currency: str = CURRENCY


CATALOGUE = tuple(
    Product(f"{thing.upper()}", thing.capitalize(), price_minor, 10_000_000)
    for thing, price_minor in {
        "mug": 1_290,
        "lamp": 4_900,
        "desk": 24_900,
        "chair": 8_950,
        "clock": 3_499,
        "plant": 1_999,
        "shelf": 7_450,
        "stool": 5_990,
    }.items()
)
"""The products of every run. Only the scarce product belongs to one run."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The order that one customer is going to place."""

    scenario: Scenario
    key: str
    customer: str
    """The customer's login name."""
    lines: tuple[tuple[str, int], ...]
    """(SKU, quantity) each."""
    cancel_after: float | None = None
    """Seconds from the answer to the cancellation, None for no cancellation."""

    @property
    def body(self) -> dict[str, Any]:
        """The body of `POST /orders`."""
        body: dict[str, Any] = {
            "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in self.lines],
            "currency": CURRENCY,
            "payment_token": f"{TOKENS.get(self.scenario, 'tok_ok')}_{self.key}",  # one token pays for one order
        }
        if self.scenario is Scenario.TIMED_OUT:
            body["deadline_seconds"] = 1  # The processor's slow answer takes longer.
        return body


@dataclass(frozen=True, slots=True)
class Run:
    """The products and the orders of a run."""

    name: str
    products: tuple[Product, ...]
    plans: tuple[Plan, ...]


def run_name(seed: int) -> str:
    """A name that no earlier run has, so that two runs against one shop do not share idempotency keys."""
    return f"{seed}-{time.time_ns() // 1_000_000:x}"


def plan_run(name: str, orders: int, seed: int, only: Scenario | None = None) -> Run:
    """A run of `orders` orders in which every scenario has its share. With `only` all orders are of this scenario."""
    dice = random.Random(seed)
    scarce = Product(f"LAST-{name}", "The last three", 4_900, 3)
    scenarios = [only] * orders if only else deal(orders)
    dice.shuffle(scenarios)
    plans = tuple(
        plan_order(dice, scenario, f"{name}-{number}", scarce) for number, scenario in enumerate(scenarios)
    )
    used = {sku for plan in plans for sku, _ in plan.lines}
    return Run(name, tuple(product for product in (*CATALOGUE, scarce) if product.sku in used), plans)


def deal(orders: int) -> list[Scenario]:
    """`orders` scenarios in the proportions of MIX. Each occurs at least once, if there are enough orders."""
    dealt = [scenario for scenario, share in MIX.items() for _ in range(max(1, int(orders * share)))]
    dealt += [Scenario.CONFIRMED] * (orders - len(dealt))
    return dealt[-orders:]


def plan_order(dice: random.Random, scenario: Scenario, key: str, scarce: Product) -> Plan:
    """One order of one to three products that ends as the scenario says."""
    lines = [(product.sku, dice.randint(1, 3)) for product in dice.sample(CATALOGUE, dice.randint(1, 3))]
    if scenario is Scenario.OUT_OF_STOCK:
        lines.append((scarce.sku, scarce.on_hand + 1))
    cancel_after = {Scenario.CANCELLED: dice.uniform(0.05, 0.4), Scenario.CANCELLED_AT_ONCE: 0.0}.get(
        scenario
    )
    return Plan(scenario, key, f"customer-{dice.randrange(100):03d}", tuple(lines), cancel_after)
