"""Customers: a closed loop of orders with every outcome, the same for the same seed.

Whatever a client can meet is retried with the same Idempotency-Key, so that a
service that is killed and comes back costs time and no order. Every request and
answer goes into the run's history, on which the oracle judges.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import aiohttp

from shop_observe.history import History
from shop_stack.errors import UserError
from shop_stack.target import Target

CURRENCY = "EUR"
PATIENCE = 120.0
"""Seconds for which a service may be away before the run is given up."""


class LoadFailed(UserError):
    """The run cannot go on; the message says why and what to do."""


class Scenario(StrEnum):
    """What a customer does, and what comes of it in a shop where nothing is broken."""

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


@dataclass(frozen=True, slots=True)
class Product:
    sku: str
    name: str
    price_minor: int
    on_hand: int


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
"""What every run sells; only the scarce product is a run's own."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One customer's intention."""

    scenario: Scenario
    key: str
    customer_id: str
    lines: tuple[tuple[str, int], ...]
    """(SKU, quantity) each."""
    cancel_after: float | None = None
    """Seconds from the answer to the cancellation, None for no cancellation."""

    @property
    def body(self) -> dict[str, Any]:
        """The body of `POST /orders`."""
        body: dict[str, Any] = {
            "customer_id": self.customer_id,
            "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in self.lines],
            "currency": CURRENCY,
            "payment_token": TOKENS.get(self.scenario, "tok_ok"),
        }
        if self.scenario is Scenario.TIMED_OUT:
            body["deadline_seconds"] = 1  # The processor's slow answer takes longer.
        return body


@dataclass(frozen=True, slots=True)
class Run:
    """What a run is going to do."""

    name: str
    products: tuple[Product, ...]
    plans: tuple[Plan, ...]


@dataclass(slots=True)
class Placed:
    """What came of a plan, as far as the client knows."""

    plan: Plan
    order_id: str


@dataclass(slots=True)
class Customers:
    """How hard customers press: `concurrency` at a time, at most `rate` orders per second (0 = no limit)."""

    concurrency: int = 16
    rate: float = 0.0
    patience: float = PATIENCE
    on_placed: Callable[[Placed], None] = field(default=lambda _: None)


def run_name(seed: int) -> str:
    """A name that no earlier run has, so that runs against one shop have their own keys."""
    return f"{seed}-{time.time_ns() // 1_000_000:x}"


def plan_run(name: str, orders: int, seed: int, only: Scenario | None = None) -> Run:
    """A run of `orders` orders in which every scenario has its share; `only` makes all of one kind."""
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
    """`orders` scenarios in the proportions of MIX, at least one of each while there is room."""
    dealt = [scenario for scenario, share in MIX.items() for _ in range(max(1, int(orders * share)))]
    dealt += [Scenario.CONFIRMED] * (orders - len(dealt))
    return dealt[-orders:]


def plan_order(dice: random.Random, scenario: Scenario, key: str, scarce: Product) -> Plan:
    """One order of one to three products, made to meet its scenario."""
    lines = [(product.sku, dice.randint(1, 3)) for product in dice.sample(CATALOGUE, dice.randint(1, 3))]
    if scenario is Scenario.OUT_OF_STOCK:
        lines.append((scarce.sku, scarce.on_hand + 1))
    cancel_after = {Scenario.CANCELLED: dice.uniform(0.05, 0.4), Scenario.CANCELLED_AT_ONCE: 0.0}.get(
        scenario
    )
    return Plan(scenario, key, f"customer-{dice.randrange(100):03d}", tuple(lines), cancel_after)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered; `body` is {} where it was no JSON object."""

    url: str
    status: int
    body: Mapping[str, Any]
    retry_after: float
    """Seconds that the service asks to wait, at most five; 0 if it asks for none."""

    @property
    def refusal(self) -> str:
        """A refusal in one sentence, with the problem's own words."""
        why = self.body.get("detail") or self.body.get("title") or "no reason given"
        return f"{self.url} refused with {self.status}: {why}"


class Shop:
    """The shop's HTTP side as a patient client sees it."""

    def __init__(self, target: Target, history: History, customers: Customers) -> None:
        self.orders = target.service_urls["orders"]
        self.inventory = target.service_urls["inventory"]
        self._history = history
        self._patience = customers.patience
        # aiohttp, because a client on the same two cores must cost little beside what it measures.
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=2 * customers.concurrency + 2),
            timeout=aiohttp.ClientTimeout(total=10.0),
        )
        self._dice = random.Random(0)

    async def __aenter__(self) -> Shop:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def post(self, url: str, operation: str, body: Any, key: str = "", **facts: Any) -> Answer:
        """POST until there is an answer that is not about the service's own trouble; `facts` go into the history."""
        headers = {"Idempotency-Key": key} if key else {}

        async def attempt() -> Answer:
            number = self._history.asked(operation, key=key, **facts)
            answer = await self._ask("POST", url, json=body, headers=headers)
            order_id = answer.body.get("order_id", "") if answer.status < 300 else ""
            self._history.answered(number, answer.status, order_id)
            return answer

        return await self._insist(url, attempt)

    async def get(self, url: str, **query: str) -> Answer:
        """GET until the service answers."""
        return await self._insist(url, lambda: self._ask("GET", url, params=query))

    async def _insist(self, url: str, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
        given_up = time.monotonic() + self._patience
        pause = 0.1
        while True:
            try:
                answer = await attempt()
            except (aiohttp.ClientError, TimeoutError) as error:
                reason, wait = type(error).__name__, 0.0
            else:
                if answer.status < 500 and answer.status != 429:
                    return answer
                reason, wait = answer.refusal, answer.retry_after
            if time.monotonic() > given_up:
                raise LoadFailed(
                    f"{url} did not take a request for {self._patience:.0f} s (last: {reason}). "
                    "See `shop status` and `shop logs`."
                )
            await asyncio.sleep(max(wait, pause * self._dice.uniform(0.5, 1.5)))
            pause = min(2.0, pause * 2)

    async def _ask(self, method: str, url: str, **request: Any) -> Answer:
        async with self._client.request(method, url, **request) as response:
            text = await response.read()
            asked = response.headers.get("Retry-After", "")
            wait = min(5.0, float(asked)) if asked.isdigit() else 0.0
            return Answer(url, response.status, json_object(text), wait)


def json_object(text: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


async def open_shop(shop: Shop, products: Sequence[Product]) -> None:
    """List the products, and wait until orders has their prices."""
    for product in products:
        body = {
            "sku": product.sku,
            "name": product.name,
            "price": {"amount_minor": product.price_minor, "currency": CURRENCY},
            "on_hand": product.on_hand,
        }
        url = f"{shop.inventory}/products"
        answer = await shop.post(url, "list-product", body, subject=product.sku, quantity=product.on_hand)
        # 409: an attempt whose answer was lost has listed it.
        if answer.status not in (201, 409):
            raise LoadFailed(answer.refusal)
    wanted = {product.sku for product in products}
    given_up = time.monotonic() + PATIENCE
    while not wanted <= await orderable(shop):
        if time.monotonic() > given_up:
            raise LoadFailed(
                "The products are listed in inventory, but orders has not heard of their prices. "
                "Is inventory's relay alive? See `shop logs inventory`."
            )
        await asyncio.sleep(0.1)


async def orderable(shop: Shop) -> set[str]:
    """The SKUs that orders has a price for."""
    skus: set[str] = set()
    cursor: str | None = ""
    while cursor is not None:
        place = {"cursor": cursor} if cursor else {}
        page = (await shop.get(f"{shop.orders}/prices", limit="100", **place)).body
        skus.update(price["sku"] for price in page["prices"])
        cursor = page["next_cursor"]
    return skus


async def place(shop: Shop, plan: Plan) -> Placed:
    """Carry out one plan and return what the client knows then."""
    url = f"{shop.orders}/orders"
    copies = 2 if plan.scenario is Scenario.POSTED_TWICE else 1
    answers = await asyncio.gather(
        *(
            shop.post(url, "place-order", plan.body, key=plan.key, scenario=plan.scenario)
            for _ in range(copies)
        )
    )
    for answer in answers:
        if answer.status != 202:
            raise LoadFailed(answer.refusal)
    order_id = answers[0].body["order_id"]
    if plan.cancel_after is not None:
        await asyncio.sleep(plan.cancel_after)
        cancel = await shop.post(
            f"{url}/{order_id}/cancel", "cancel-order", None, subject=order_id, scenario=plan.scenario
        )
        # 409: the order ended before the customer changed their mind.
        if cancel.status not in (200, 202, 409):
            raise LoadFailed(cancel.refusal)
    return Placed(plan, order_id)


async def serve_customers(target: Target, run: Run, history: History, customers: Customers) -> list[Placed]:
    """List the run's products, then place all of its orders; returns them in the order of the plans."""
    async with Shop(target, history, customers) as shop:
        await open_shop(shop, run.products)
        return await place_all(shop, run.plans, customers)


async def place_all(shop: Shop, plans: Sequence[Plan], customers: Customers) -> list[Placed]:
    waiting = iter(enumerate(plans))
    placed: dict[int, Placed] = {}
    opened = time.monotonic()

    async def customer() -> None:
        for number, plan in waiting:
            if customers.rate:
                await asyncio.sleep(max(0.0, opened + number / customers.rate - time.monotonic()))
            placed[number] = await place(shop, plan)
            customers.on_placed(placed[number])

    tasks = [asyncio.create_task(customer()) for _ in range(min(customers.concurrency, len(plans)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [placed[number] for number in range(len(plans))]
