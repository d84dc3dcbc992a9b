"""The consumer: it passes batches to the inbox, and commits offsets only after the inbox has committed.

Before partitions go to another replica, the consumer finishes its current batch and commits the offsets. A batch that
was fetched during a rebalance is dropped and fetched again, by the replica that has the partition then. A message that
must wait stops its own partition, and no other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from chassis.backoff import Backoff, wait_for_event
from chassis.errors import KafkaUnavailable, dependency_of, is_unavailable
from chassis.inbox import Inbox, PartlyTaken
from chassis.kafka.batches import BatchFetcher, Record, divide, messages_of
from chassis.kafka.broker_watch import BrokerWatch
from chassis.kafka.lag import ConsumerLag
from chassis.kafka.offsets import OffsetCommitter
from chassis.kafka.refusals import raising_refused
from chassis.kafka.watchdog import BATCH_SECONDS, POLL_SECONDS, START_SECONDS, Watchdog
from chassis.observability.outages import OUTAGES
from chassis.observability.status import OK, TaskStatus

ANSWER_LATE_MS = 10_000
"""The client waits for an answer for the session timeout plus this time. Then it closes the connection."""

FETCH_MAX_BYTES = 8 * 1024 * 1024
"""The maximum number of bytes of one response. Reading it needs two or three times as much memory."""

PARTITION_FETCH_MAX_BYTES = 1024 * 1024
"""The maximum number of bytes of one partition in a response."""


@dataclass(frozen=True, slots=True)
class ConsumerSettings:
    """The settings of a consumer. `kafka` is `ServiceSettings.kafka`."""

    kafka: Mapping[str, Any]
    topics: Collection[str] | None = None
    """The topics to read; None: all topics of the inbox's subscriptions."""
    batch_size: int = 500
    """The maximum number of records in a batch, which is one transaction."""
    linger_seconds: float = 0.0
    """Pause after a batch that was not full, so that the next one has more events (docs/decisions/0012)."""
    defer_seconds: float = 0.1
    """The longest time for which a batch of only deferrable events waits for an urgent event (docs/decisions/0015)."""
    retry_seconds: float = 0.1
    """The first pause of a partition whose message was not taken. It doubles."""
    session_timeout_ms: int = 10_000
    group_instance_id: str | None = None
    """The name of a static member. It keeps its partitions over a restart."""
    poll_ms: int = 1_000
    """The longest time for which one call of aiokafka's `getmany` waits for a record."""
    fetch_max_wait_ms: int = 2_000
    """The time after which the broker answers a fetch without a record. With records it answers at once.

    After a rebalance the first records of a new partition may be delayed by this time, because the broker first answers
    the open fetch of the old partitions.
    """
    metadata_max_age_ms: int = 10_000
    """A topic that did not exist at the last rebalance is noticed within this time."""
    commit_interval_seconds: float = 1.0
    commit_timeout_seconds: float = 3.0


@dataclass(slots=True)
class Assignment:
    """The partitions that the group has assigned to this process."""

    is_assigned: bool = False
    """Whether the consumer is a member of the group and knows its partitions. A member may have no partition."""
    partitions: frozenset[int] = frozenset()
    """The partition numbers of the last assignment, without the topic: one number can stand for partitions of several
    topics. They stay while the group divides its partitions again."""
    status: TaskStatus = field(default_factory=TaskStatus)


def create_client(settings: ConsumerSettings, group: str) -> AIOKafkaConsumer:
    """A Kafka client that is not started yet."""
    # aiokafka's defaults lose data: a consumer starts at the end of a topic and commits offsets at a fixed interval.
    return AIOKafkaConsumer(
        **settings.kafka,
        group_id=group,
        group_instance_id=settings.group_instance_id,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=settings.session_timeout_ms,
        # The broker answers a join when all members have joined, which takes at most the session timeout.
        request_timeout_ms=settings.session_timeout_ms + ANSWER_LATE_MS,
        heartbeat_interval_ms=settings.session_timeout_ms // 4,
        fetch_max_wait_ms=settings.fetch_max_wait_ms,
        fetch_max_bytes=FETCH_MAX_BYTES,
        max_partition_fetch_bytes=PARTITION_FETCH_MAX_BYTES,
        consumer_timeout_ms=settings.fetch_max_wait_ms,
        metadata_max_age_ms=settings.metadata_max_age_ms,
    )


async def stop_client(client: AIOKafkaConsumer, group: str) -> None:
    """Leave the group, unless the client is a static member, and close its connections."""
    await client.stop()


def leave_as_is(client: AIOKafkaConsumer) -> None:
    """Change nothing."""


async def accept_topics() -> None:
    """Check nothing before the consumer starts."""


@dataclass(frozen=True, slots=True)
class ClientHooks:
    """Functions that change a client. The defaults leave it as aiokafka made it."""

    create: Callable[[ConsumerSettings, str], AIOKafkaConsumer] = create_client
    started: Callable[[AIOKafkaConsumer], None] = leave_as_is
    stop: Callable[[AIOKafkaConsumer, str], Coroutine[Any, Any, None]] = stop_client


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """Passes the messages of its topics to one inbox. `run()` works until `stopping` is set, and finishes its batch.

    `check_topics` runs before each start of a client, and raises if the consumer must not run. The consumer updates
    `assignment` and `lag`.
    """

    def __init__(
        self,
        inbox: Inbox,
        settings: ConsumerSettings,
        *,
        assignment: Assignment | None = None,
        check_topics: Callable[[], Awaitable[None]] = accept_topics,
        hooks: ClientHooks | None = None,
        lag: ConsumerLag | None = None,
    ) -> None:
        self.assignment = assignment or Assignment()
        self.lag = lag or ConsumerLag(inbox.group, inbox.subscriptions.topics)
        self.stopping = asyncio.Event()
        self._inbox = inbox
        self._settings = settings
        self._check_topics = check_topics
        self._hooks = hooks or ClientHooks()
        self._backoff = Backoff()
        self._batch_in_hand = asyncio.Lock()
        self._offsets: OffsetCommitter
        self._broker: BrokerWatch
        self._watchdog: Watchdog
        self._assignment_generation = 0  # grows with each revocation; an older batch is fetched again
        self._failed_batches = 0  # in a row; sets the pause before the next fetch

    async def run(self) -> None:
        """Consume until `stopping` is set. Then finish the current batch, commit its offsets and leave the group.

        A static member (`group_instance_id`) does not leave the group.

        Raises the error of `check_topics`, and KafkaRefused with the right that the user lacks. Raises KafkaError or
        Unavailable if the broker is unavailable, ConsumerStalled if a step takes too long, and an error of the inbox
        that is not about a dependency. In each case the supervisor calls it again.
        """
        self._watchdog = Watchdog()
        async with self._watchdog.guarding():
            self._watchdog.begin("start", START_SECONDS)
            async with raising_refused(self._settings.kafka, "Read"):
                await self._check_topics()
                await self._consume(self._hooks.create(self._settings, self._inbox.group))

    async def _consume(self, client: AIOKafkaConsumer) -> None:
        topics = self._settings.topics
        client.subscribe(
            sorted(self._inbox.subscriptions.topics if topics is None else topics), listener=self
        )
        self._offsets = OffsetCommitter(
            client, self._settings.commit_timeout_seconds, self._settings.commit_interval_seconds
        )
        self._broker = BrokerWatch(client, self.assignment.status, self._settings.kafka)
        fetcher = BatchFetcher(
            client,
            self._inbox.subscriptions,
            limit=self._settings.batch_size,
            poll_ms=self._settings.poll_ms,
            defer_seconds=self._settings.defer_seconds,
            retry_seconds=self._settings.retry_seconds,
        )
        beside = [asyncio.create_task(self._offsets.commit_regularly())]
        try:
            await client.start()
            self._hooks.started(client)
            self.lag.follow(client)
            beside.append(asyncio.create_task(self._broker.run()))
            while not self.stopping.is_set():
                await self._take_next_batch(fetcher)
        finally:
            self.lag.follow(None)
            self.assignment.is_assigned = False
            for task in beside:
                task.cancel()
            await self._offsets.commit()
            await self._stop(client)

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Wait for the current batch and commit its offsets, so that the next replica continues after it."""
        async with self._batch_in_hand:
            self._assignment_generation += 1
            self.assignment.is_assigned = False
            self.assignment.status.set("joins its group")
            await self._offsets.commit()
            self._offsets.forget()
            self.lag.follow(self.lag.client)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Mark the consumer as ready, even if it has no partition."""
        self.assignment.is_assigned = True
        self.assignment.status.set(OK)
        self.assignment.partitions = frozenset(at.partition for at in assigned)

    async def _take_next_batch(self, fetcher: BatchFetcher) -> None:
        if self._offsets.is_stuck:
            raise KafkaUnavailable("the client commits no offsets any more: connect anew")
        if self._broker.is_stuck:
            raise KafkaUnavailable("the client gets no answers any more, and others do: connect anew")
        generation = self._assignment_generation
        self._watchdog.begin("poll", POLL_SECONDS)
        records = await fetcher.next_batch()
        self.assignment.status.mark_progress()
        self._watchdog.begin("batch", BATCH_SECONDS)
        pause = 0.0
        async with self._batch_in_hand:
            if generation != self._assignment_generation:
                # The records were fetched during a rebalance, under the old assignment or the new one.
                fetcher.rewind(records)
            elif records:
                pause = await self._take(fetcher, records)
        if pause:  # outside of `_batch_in_hand`, so that a rebalance may continue
            await wait_for_event(self.stopping, pause)

    async def _take(self, fetcher: BatchFetcher, records: Sequence[Record]) -> float:
        """Pass a batch to the inbox. Returns the seconds to wait before the next fetch."""
        self.lag.mark_begun(records)
        try:
            with self.lag.batch_seconds.time():
                await self._inbox.process(messages_of(records))
        except PartlyTaken as partly:
            records, left = divide(records, partly.messages)
            fetcher.pause_partitions(left)
        except Exception as error:
            fetcher.rewind(records)
            if not is_unavailable(error):
                raise
            self._failed_batches += 1
            pause = self._backoff.pause(self._failed_batches)
            OUTAGES.failed(dependency_of(error), "consumer", error)
            return pause
        else:
            fetcher.reset_pauses(records)
        self._failed_batches = 0
        self._offsets.mark_taken(records)
        self.lag.mark_taken(records)
        return self._settings.linger_seconds if len(records) < self._settings.batch_size else 0.0

    async def _stop(self, client: AIOKafkaConsumer) -> None:
        # A client without a coordinator may never end.
        stopping = asyncio.create_task(self._hooks.stop(client, self._inbox.group))
        await asyncio.wait([stopping], timeout=self._settings.commit_timeout_seconds)
