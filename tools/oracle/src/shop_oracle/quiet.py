"""Waits until the shop is at rest: no order is in progress, no event is unsent, and no message is unread.

The invariants are judged at rest: an order in progress would look like a violation.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shop_observe.tail import LogUnreadable, reader
from shop_observe.topics import Topic
from shop_oracle.errors import said_by
from shop_stack.target import Target

AWAY = (OSError, KafkaError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""Errors of a database or a broker that may become available again."""

LOOK_SECONDS = 10.0
"""Seconds that one look may take when the time to wait is over or shorter."""

UNSENT = """
    SELECT count(*) FROM relay_cursor AS c JOIN outbox AS o USING (shard)
    WHERE o.xid >= pg_snapshot_xmin(c.snapshot) AND NOT pg_visible_in_snapshot(o.xid, c.snapshot)
"""

UNTAKEN = """
    SELECT count(*) FROM {view} AS o LEFT JOIN reader_position AS p ON p.topic = o.topic AND p.shard = o.shard
    WHERE p.snapshot IS NULL
       OR (o.xid >= pg_snapshot_xmin(p.snapshot) AND NOT pg_visible_in_snapshot(o.xid, p.snapshot)
           AND (p.upper IS NULL OR o.id > p.after_id OR NOT pg_visible_in_snapshot(o.xid, p.upper)))
"""
"""Rows of a topic in the database that a module has not read."""

LAST_ROW = "SELECT coalesce(max(id), 0) FROM outbox"

UNFINISHED = {
    "orders": ("orders PENDING", "SELECT count(*) FROM orders WHERE state = 'PENDING'"),
    "payments": (
        "payments and refunds under way",
        "SELECT (SELECT count(*) FROM payments WHERE due_at IS NOT NULL)"
        " + (SELECT count(*) FROM refunds WHERE due_at IS NOT NULL)",
    ),
    "notifications": ("messages unsent", "SELECT count(*) FROM notifications WHERE state = 'PENDING'"),
}
"""Service → (name, query that counts it) of work that the service still does without a new event."""

SAGAS_UNDER_WAY = "SELECT count(*) FROM sagas WHERE due_at IS NOT NULL"
"""Orders of which a command is not answered, in a shop whose saga is orchestrated."""


@dataclass(slots=True)
class Unrest:
    """The unfinished work at one moment."""

    counts: dict[str, int] = field(default_factory=dict)
    """Kind of work → how many; zeros are left out."""
    away: str = ""
    """Why a part could not be asked; empty if all parts answered."""
    ends: tuple[int, ...] = ()
    """The end offset of each partition: a new message changes it."""

    @property
    def sentences(self) -> list[str]:
        """The unfinished work, one sentence each; [] at rest."""
        away = [self.away] if self.away else []
        return [*away, *(f"{count} {what}" for what, count in self.counts.items())]


class Watch:
    """Connections to the databases and to Kafka that stay open for repeated looks at the unfinished work.

    In a shop without Kafka there are databases alone.
    """

    def __init__(self, target: Target, topics: Sequence[Topic]) -> None:
        self._target = target
        self._topics = topics
        self._stack = AsyncExitStack()
        self._databases: dict[str, asyncpg.Connection[asyncpg.Record]] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._admin: AIOKafkaAdminClient | None = None

    async def __aenter__(self) -> Watch:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._hang_up()

    async def look(self, seconds: float = LOOK_SECONDS) -> Unrest:
        """The unfinished work now.

        An unavailable part, or one that is silent for `seconds`, is reported and not raised, because it may recover.
        """
        try:
            async with asyncio.timeout(seconds):
                if not self._databases:
                    await self._connect()
                unrest = Unrest()
                for service, connection in self._databases.items():
                    await self._ask(service, connection, unrest)
                if self._target.shape.has_kafka:
                    await self._measure_lag(unrest)
                else:
                    await self._measure_outboxes(unrest)
        except (*AWAY, LogUnreadable) as error:
            await self._hang_up()
            return Unrest(away=f"a database or Kafka does not answer ({said_by(error)})")
        unrest.counts = {what: count for what, count in unrest.counts.items() if count}
        return unrest

    async def _connect(self) -> None:
        for service, url in self._target.database_urls.items():
            self._databases[service] = await asyncpg.connect(url, timeout=5)
        if not self._target.shape.has_kafka:
            return
        self._consumer = await self._stack.enter_async_context(
            reader(self._target, [topic.name for topic in self._topics])
        )
        self._admin = AIOKafkaAdminClient(**self._target.kafka.client)
        self._stack.push_async_callback(self._admin.close)
        await self._admin.start()

    async def _hang_up(self) -> None:
        for connection in self._databases.values():
            connection.terminate()  # A silent server answers no goodbye either.
        stack, self._stack = self._stack, AsyncExitStack()
        self._databases, self._consumer, self._admin = {}, None, None
        try:
            await stack.aclose()
        except AWAY:
            pass  # The other side is unavailable: there is nothing to close.

    async def _ask(
        self, service: str, connection: asyncpg.Connection[asyncpg.Record], unrest: Unrest
    ) -> None:
        unrest.counts[f"events unsent by {service}"] = await connection.fetchval(UNSENT)
        if service in UNFINISHED:
            what, query = UNFINISHED[service]
            unrest.counts[what] = await connection.fetchval(query)
        if service == "orders" and self._target.shape.is_orchestrated:
            unrest.counts["commands unanswered"] = await connection.fetchval(SAGAS_UNDER_WAY)
        untaken = 0
        for topic in self._topics:
            if service in topic.readers and self._is_local(topic, service):
                untaken += await connection.fetchval(UNTAKEN.format(view=f'topics."{topic.name}"'))
        if untaken:
            unrest.counts[f"rows of other modules unread by {service}"] = untaken

    def _is_local(self, topic: Topic, reader: str) -> bool:
        """Whether a reader reads a topic in its own database. A service without a group reads all topics on Kafka."""
        group = self._target.shape.group_of(reader)
        return len(group) > 1 and topic.owner in group

    async def _measure_outboxes(self, unrest: Unrest) -> None:
        ends = [await connection.fetchval(LAST_ROW) for connection in self._databases.values()]
        unrest.ends = tuple(ends)

    async def _measure_lag(self, unrest: Unrest) -> None:
        assert self._consumer is not None
        assert self._admin is not None
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(list(self._consumer.assignment()))
        for group in {group for topic in self._topics for group in topic.readers}:
            read = {
                topic.name
                for topic in self._topics
                if group in topic.readers and not self._is_local(topic, group)
            }
            committed = await self._admin.list_consumer_group_offsets(group)
            unrest.counts[f"messages unread by {group}"] = sum(
                max(0, end - max(0, committed[place].offset if place in committed else 0))
                for place, end in ends.items()
                if place.topic in read
            )
        unrest.ends = tuple(end for _, end in sorted(ends.items()))


async def wait_for_rest(
    target: Target,
    topics: Sequence[Topic],
    seconds: float,
    on_look: Callable[[Unrest], None] = lambda _: None,
    pause: float = 0.3,
) -> list[str]:
    """Wait until two looks in a row find no unfinished work, and no message was sent between them.

    Waits at most `seconds`. Returns the work that is unfinished then, one sentence each; [] at rest.
    """
    given_up = time.monotonic() + seconds
    before: Unrest | None = None
    async with Watch(target, topics) as watch:
        while True:
            now = await watch.look(max(given_up - time.monotonic(), LOOK_SECONDS))
            on_look(now)
            calm = not now.sentences
            if calm and before is not None and not before.sentences and before.ends == now.ends:
                return []
            if time.monotonic() > given_up:
                return now.sentences or ["new events kept coming"]
            before = now
            await asyncio.sleep(pause)
