"""Records of orders as the services publish them, and a floor that reads them instead of Kafka."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from shop_floor.app import Shop
from shop_floor.floor import Floor, Sources
from shop_floor.guard import Guard
from shop_floor.looks import Looks, Reading, Service
from shop_observe.kafka_log import Entry
from shop_observe.topics import all_topics
from shop_stack.kafka_access import KafkaAccess
from shop_stack.paths import contracts
from shop_stack.ports import SERVICES
from shop_stack.target import Target
from testkit import eventually

TOPICS = all_topics(contracts())
TOPIC_OF = {event: topic for topic in TOPICS for event in topic.events}
_offsets = count(100)


def order_id(moment: datetime | None = None) -> str:
    """The id of an order that is placed at a moment (UUID version 7)."""
    ms = int((moment or datetime.now(UTC)).timestamp() * 1000)
    number = ms << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return str(UUID(int=number))


class Order:
    """An order whose events are written one after the other."""

    def __init__(self, placed: datetime | None = None, order: str = "") -> None:
        self.placed = placed or datetime.now(UTC)
        self.id = order or order_id(self.placed)
        self.entries: list[Entry] = []

    def event(self, type_: str, after_ms: int, cause: str = "", **data: Any) -> Order:
        """Add an event of a type such as `orders.order-placed.v1`. `cause` is the type of the event that caused it."""
        topic = TOPIC_OF[type_]
        moment = self.placed + timedelta(milliseconds=after_ms)
        self.entries.append(
            Entry(
                topic=topic.name,
                partition=3,
                offset=next(_offsets),
                sent_ms=int(moment.timestamp() * 1000),
                key=self.id,
                id=str(uuid4()),
                source=f"/{topic.owner}",
                type=type_,
                correlation_id=self.id,
                causation_id=next((each.id for each in reversed(self.entries) if each.type == cause), ""),
                traceparent="",
                decided_at=moment.isoformat(),
                value=json.dumps({"order_id": self.id, **data}).encode(),
            )
        )
        return self

    def foreign(self, after_ms: int, fault: str = "its data is no JSON") -> Order:
        """Add a record that breaks the contracts."""
        moment = self.placed + timedelta(milliseconds=after_ms)
        entry = Entry(
            topic="orders.order.v1",
            partition=3,
            offset=next(_offsets),
            sent_ms=int(moment.timestamp() * 1000),
            key=self.id,
            id=str(uuid4()),
            source="/orders",
            type="orders.order-placed.v1",
            correlation_id="",
            causation_id="",
            traceparent="",
            decided_at=moment.isoformat(),
            value=b"\xff<script>",
            fault=fault,
        )
        self.entries.append(entry)
        return self


def placed_order(moment: datetime | None = None) -> Order:
    """An order that was placed and waits."""
    order = Order(moment)
    lines = [
        {"sku": "mug-blue", "quantity": 2, "unit_price": money(1_250)},
        {"sku": "tea-assam", "quantity": 1, "unit_price": money(890)},
    ]
    return order.event(
        "orders.order-placed.v1",
        0,
        lines=lines,
        total=money(3_390),
        customer_id="a41f",
        payment_token="tok_ok_secret",
        placed_at=order.placed.isoformat(),
        deadline_at=(order.placed + timedelta(seconds=60)).isoformat(),
    )


def money(minor: int) -> dict[str, Any]:
    return {"amount_minor": minor, "currency": "EUR"}


def confirmed(moment: datetime | None = None) -> Order:
    """An order with every step of a confirmed one."""
    order = captured(moment)
    order.event("orders.order-confirmed.v1", 61, "payments.payment-captured.v1", total=money(3_390))
    order.event("inventory.stock-committed.v1", 78, "orders.order-confirmed.v1")
    return sent(order, "confirmed", 92, "orders.order-confirmed.v1")


def captured(moment: datetime | None = None) -> Order:
    """An order whose card was charged, and which has not ended."""
    order = placed_order(moment).event("inventory.stock-reserved.v1", 14, "orders.order-placed.v1")
    return order.event("payments.payment-captured.v1", 43, "inventory.stock-reserved.v1", amount=money(3_390))


def declined(moment: datetime | None = None) -> Order:
    """An order whose card was declined."""
    order = placed_order(moment).event("inventory.stock-reserved.v1", 12, "orders.order-placed.v1")
    order.event("payments.payment-declined.v1", 55, "inventory.stock-reserved.v1", reason="declined")
    order.event("orders.order-rejected.v1", 71, "payments.payment-declined.v1", reason="payment_declined")
    order.event("inventory.stock-released.v1", 90, "orders.order-rejected.v1")
    return sent(order, "rejected", 104, "orders.order-rejected.v1")


def refunded(moment: datetime | None = None) -> Order:
    """An order that was cancelled during its charge, and refunded. Each event of the refund has two versions."""
    order = placed_order(moment).event("inventory.stock-reserved.v1", 16, "orders.order-placed.v1")
    order.event("orders.order-cancelled.v1", 240, reason="customer")
    order.event("inventory.stock-released.v1", 262, "orders.order-cancelled.v1")
    sent(order, "cancelled", 281, "orders.order-cancelled.v1")
    order.event("payments.payment-captured.v1", 1_420, "inventory.stock-reserved.v1", amount=money(3_390))
    v2 = "payments.payment-refunded.v2"
    order.event(v2, 1_496, "orders.order-cancelled.v1", refunded=money(3_390), reason="customer")
    order.event("payments.payment-refunded.v1", 1_497, "orders.order-cancelled.v1", refunded=money(3_390))
    return sent(order, "refunded", 1_530, v2)


def sent(order: Order, kind: str, after_ms: int, cause: str) -> Order:
    return order.event("notifications.notification-sent.v1", after_ms, cause, kind=kind, channel="email")


class Log:
    """A log that a test writes, in place of Kafka."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.fault: Exception | None = None
        self.reads = 0
        """How often the log was opened."""
        self._news = asyncio.Condition()

    async def write(self, *entries: Entry) -> None:
        """Add records. Readers get them."""
        self.entries.extend(entries)
        async with self._news:
            self._news.notify_all()

    async def newest(self) -> AsyncGenerator[list[Entry], None]:
        """What the floor reads."""
        self.reads += 1
        position = 0
        while True:
            if self.fault is not None:
                raise self.fault
            found, position = self.entries[position:], len(self.entries)
            yield found
            try:
                async with asyncio.timeout(0.05), self._news:
                    await self._news.wait()
            except TimeoutError:
                continue

    async def of_order(self, order: str) -> tuple[list[Entry], list[str]]:
        """What the page of an order reads."""
        if self.fault is not None:
            raise self.fault
        return [entry for entry in self.entries if entry.key == order], []


class Looker:
    """Answers of services and Kafka that a test decides."""

    def __init__(self, looks: Looks) -> None:
        self.looks = looks

    async def look(self) -> Looks:
        """The answers now."""
        return self.looks

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Looker]:
        """What the floor opens."""
        yield self


def healthy() -> Looks:
    """All services are ready."""
    services = {name: Service(name, "ready", {}, "0.3.0", 0) for name in SERVICES}
    readings = {(reader, topic.name): Reading(1_000, 0) for topic in TOPICS for reader in topic.readers}
    return Looks(services, readings, dict.fromkeys(SERVICES, 1))


def fake_target(urls: str, folder: Path) -> Target:
    """A shop whose services answer below one address."""
    addresses = {name: f"{urls}/{name}" for name in SERVICES}
    return Target(
        "embedded", addresses, addresses, urls, KafkaAccess("127.0.0.1:1"), {}, folder, contracts(), folder
    )


def fake_shop(log: Log, looker: Looker, target: Target, port: int) -> Shop:
    """The floor of a shop that a test plays."""
    sources = Sources(TOPICS, log.newest, looker.opened)
    return Shop(target, Floor(sources), Guard(port), log.of_order)


def written(orders: Sequence[Order]) -> list[Entry]:
    """The records of several orders, in the order of time."""
    return sorted((entry for order in orders for entry in order.entries), key=lambda one: one.moment)


async def until(is_so: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return when a condition holds."""

    async def check() -> None:
        assert is_so()

    await eventually(check, seconds)
