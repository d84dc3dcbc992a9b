"""Faults of records: events sent again, records that are no events, events of a key in a wrong order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaProducer

from shop_chaos.injectors import dropped
from shop_chaos.injectors.injector import Injector
from shop_chaos.system import System
from shop_lab.experiments.foreign_inputs import records
from shop_lab.experiments.foreign_inputs.events import topics_of
from shop_observe.tail import whole
from shop_observe.topics import declared_topics
from shop_oracle.evidence import PLACED
from shop_stack.errors import UserError

POISON = (
    records.no_headers,
    records.missing_attribute,
    records.wrong_source,
    records.unknown_type,
    records.random_bytes,
)
"""Kinds of records that every reader must refuse."""
ORDERS = "orders.order.v1"


@dataclass
class Duplicates(Injector):
    """Send a share (0 to 1) of all events again, in any order. The same seed chooses the same events."""

    late_seconds: ClassVar[float] = 60.0
    share: float = 0.3
    seed: int = 1

    async def before(self, on: System) -> dict[str, Any]:
        return {"dropped": await dropped.read(on)}

    async def inject(self, on: System) -> None:
        dice = random.Random(self.seed)
        names = [topic.name for topic in declared_topics(on.target.contracts)]
        chosen = [record for record in await _all_records(on, names) if dice.random() < self.share]
        dice.shuffle(chosen)
        await _send_again(on, chosen)

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        return {"duplicates dropped": dropped.since(before["dropped"], await dropped.read(on))}

    async def heal(self, on: System) -> None:
        """Nothing is left to undo: the consumers have dropped the events."""


@dataclass
class Poison(Injector):
    """Send records that are no events of the shop to every topic, `each` to each topic."""

    late_seconds: ClassVar[float] = 30.0
    each: int = 5
    seed: int = 1

    async def before(self, on: System) -> dict[str, Any]:
        return {"letters": await _dead_letters(on)}

    async def inject(self, on: System) -> None:
        dice = random.Random(self.seed)
        for topic in topics_of(on.target.contracts).values():
            async with _producer(on, topic.owner) as producer:
                for number in range(self.each):
                    event = POISON[number % len(POISON)](topic, dice)
                    headers = [
                        (name.decode(errors="replace"), value) for name, value in event.headers.items()
                    ]
                    await producer.send_and_wait(event.topic, event.value, event.key, headers=headers)

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        return {"dead letters": await _dead_letters(on) - int(before["letters"])}

    async def heal(self, on: System) -> None:
        """Nothing is left to undo: dead letters of foreign records stay until an operator discards them."""


@dataclass
class Reordered(Injector):
    """Send the first event of `orders` that have ended again as a new event, so behind later versions of its key.

    No service does this. It is a planted violation, which the oracle must see.
    """

    orders: int = 3

    async def inject(self, on: System) -> None:
        found = await _all_records(on, [ORDERS])
        events = Counter(record.key for record in found)
        first = [
            record for record in found if events[record.key] > 1 and _header(record, "ce_type") == PLACED
        ]
        if len(first) < self.orders:
            raise UserError(f"Fewer than {self.orders} orders have ended: place orders before this fault.")
        await _send_again(on, first[: self.orders], new_id=True)

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        return {"events behind later versions": self.orders}

    async def heal(self, on: System) -> None:
        """What was sent is not taken back: the shop is removed with its planted violation."""


async def _all_records(on: System, names: list[str]) -> list[Any]:
    """All records of the topics, in the order of each partition."""
    async with whole(on.target, names) as tail:
        return [record async for batch in tail.to_the_ends() for record in batch]


async def _send_again(on: System, found: Sequence[Any], *, new_id: bool = False) -> None:
    """Send records to their own partitions again. With `new_id` each is a new event with the same content."""
    owners = {topic.name: topic.owner for topic in declared_topics(on.target.contracts)}
    async with AsyncExitStack() as stack:
        producers = {
            owner: await stack.enter_async_context(_producer(on, owner))
            for owner in {owners[record.topic] for record in found}
        }
        for record in found:
            headers = dict(record.headers) | ({"ce_id": str(uuid4()).encode()} if new_id else {})
            await producers[owners[record.topic]].send(
                record.topic,
                record.value,
                record.key,
                partition=record.partition,
                headers=list(headers.items()),
            )
        for producer in producers.values():
            await producer.flush()


@asynccontextmanager
async def _producer(on: System, owner: str) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that may write the topics of their owner."""
    producer = AIOKafkaProducer(**on.parts.login(owner).client)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def _header(record: Any, name: str) -> str:
    return (dict(record.headers).get(name) or b"").decode(errors="replace")


async def _dead_letters(on: System) -> int:
    """The dead letters of all services."""
    count = 0
    for url in on.target.database_urls.values():
        database = await asyncpg.connect(url)
        try:
            count += int(await database.fetchval("SELECT count(*) FROM dead_letters"))
        finally:
            await database.close()
    return count
