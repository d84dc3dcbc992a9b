"""Kafka's receiving side: batches for the inbox, and offsets only after its commit.

Before partitions go to another replica the batch in hand is finished and its offsets are committed; a batch that was
fetched around a rebalance is given back. Offsets are committed explicitly: a bare `commit()` around a rebalance
commits what another replica is reading.
"""

import asyncio
import contextlib
import time
from collections.abc import Collection, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.protocol.group import LeaveGroupRequest

from chassis import retention
from chassis.database import Unavailable, is_unavailable
from chassis.envelope import RawMessage
from chassis.inbox import Inbox
from chassis.jobs import pause, wait
from chassis.settings import ServiceSettings

log = structlog.get_logger()

# Topics that were away when the group was last divided are noticed after METADATA_MS; aiokafka's own is five minutes.
POLL_MS, FETCH_MS, METADATA_MS = 1_000, 2_000, 10_000
OFFSETS_EVERY, COMMIT_SECONDS, MOST_UNANSWERED = 1.0, 3.0, 3


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """Feeds one inbox from its topics. `run()` works until `stopping` is set, and drains before it ends."""

    def __init__(self, inbox: Inbox, settings: ServiceSettings) -> None:
        self.inbox, self.settings = inbox, settings
        self.assigned, self.partitions = False, frozenset[int]()
        self.stopping, self._busy = asyncio.Event(), asyncio.Lock()
        self._done: dict[TopicPartition, int] = {}
        self._generation, self._failures, self._unanswered = 0, 0, 0

    async def run(self) -> None:
        """Consume until `stopping` is set; then finish the batch in hand, commit its offsets and leave the group.

        Raises RetentionTooShort where the inbox would forget too early; KafkaError or Unavailable when the broker is
        away: call it again.
        """
        await retention.check(self.settings.kafka, self.inbox.topics, self.settings.inbox_retention)
        # aiokafka's own defaults lose data: they start at the end and commit offsets by the clock.
        self._consumer = consumer = AIOKafkaConsumer(
            **self.settings.kafka,
            group_id=self.inbox.group,
            group_instance_id=self.settings.kafka_group_instance_id,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=self.settings.kafka_session_timeout_ms,
            heartbeat_interval_ms=self.settings.kafka_session_timeout_ms // 4,
            # What comes is answered at once; this only bounds how long an idle broker may say nothing, how long the
            # client rests that waits for it, and how long partitions wait that a rebalance brings: the broker answers
            # first what was asked for before it.
            fetch_max_wait_ms=FETCH_MS,
            consumer_timeout_ms=FETCH_MS,
            metadata_max_age_ms=METADATA_MS,
        )
        consumer.subscribe(sorted(self.inbox.topics), listener=self)
        self._done, self._unanswered = {}, 0
        committing = asyncio.create_task(self._commit_regularly())
        try:
            await consumer.start()
            # Else, while a batch takes longer than 0.1 s, it asks for the partitions that have nothing in hand, and for
            # as long as these stay empty, FETCH_MS, for no other.
            consumer._fetcher._prefetch_backoff = 60.0
            while not self.stopping.is_set():
                await self._step(consumer)
        finally:
            self.assigned = False
            committing.cancel()
            await self._commit()
            await self._leave(consumer)

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Wait for the batch in hand, then commit: whoever gets the partitions goes on right behind it."""
        async with self._busy:
            self._generation += 1
            self.assigned = False
            await self._commit()
            self._done.clear()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Ready from now on, also where there are fewer partitions than replicas."""
        self.assigned, self.partitions = True, frozenset(at.partition for at in assigned)

    async def _leave(self, consumer: AIOKafkaConsumer) -> None:
        """Leave the group, and end the client; not longer than it takes, as one without a coordinator may never end.

        While it waits to join, aiokafka would leave by the connection on which it waits, and there the broker answers
        one request after the other: the process would be gone first. Whoever is gone without leaving holds up the whole
        group until its session is over; who has a name in it is meant to, and comes back to its partitions.
        """
        ending = [asyncio.create_task(consumer.stop())]
        await asyncio.wait(ending, timeout=0.2)
        if not ending[0].done() and consumer._coordinator and not self.settings.kafka_group_instance_id:
            leave = LeaveGroupRequest(self.inbox.group, consumer._coordinator.member_id)
            sending = consumer._client.send(consumer._coordinator.coordinator_id, leave, group="leaving")
            ending.append(asyncio.create_task(sending))
        await asyncio.wait([asyncio.gather(*ending, return_exceptions=True)], timeout=COMMIT_SECONDS)

    async def _step(self, consumer: AIOKafkaConsumer) -> None:
        if self._unanswered >= MOST_UNANSWERED:  # seen after a broker's restart: aiokafka never answers again
            raise Unavailable("the client commits no offsets any more: connect anew")
        generation, records = self._generation, await self._gather(consumer, self.settings.batch_size)
        rest = self.settings.linger_seconds if 0 < len(records) < self.settings.batch_size else 0
        async with self._busy:
            # Fetched around a rebalance: by the old assignment, or by the new.
            if generation != self._generation:
                _give_back(consumer, records)
            elif records and not await self._process(consumer, records):
                self._failures += 1
                rest = pause(self._failures)
        if rest:  # no batch is in hand: a rebalance may go on
            await wait(self.stopping, rest)

    async def _gather(self, consumer: AIOKafkaConsumer, most: int) -> list[ConsumerRecord]:
        """What comes next; while nobody waits for any of it, also what comes behind it within `patience_seconds`."""
        records = await _fetched(consumer, POLL_MS, most)
        until = time.monotonic() + self.settings.patience_seconds
        while 0 < len(records) < most and self.inbox.can_wait(records) and (now := time.monotonic()) < until:
            records += await _fetched(consumer, int(1_000 * (until - now)) + 1, most - len(records))
        return records

    async def _process(self, consumer: AIOKafkaConsumer, records: Sequence[ConsumerRecord]) -> bool:
        """Whether the inbox took the records; if not, they will be fetched again."""
        messages = [RawMessage(r.topic, (r.partition, r.offset), r.key, r.value, r.headers) for r in records]
        try:
            await self.inbox.process(messages)
        except Exception as error:
            _give_back(consumer, records)
            if not is_unavailable(error):
                raise
            log.warning("a dependency is away, the batch waits", events=len(records), error=repr(error))
            return False
        self._failures = 0
        self._done |= {TopicPartition(r.topic, r.partition): r.offset + 1 for r in records}
        return True

    async def _commit_regularly(self) -> None:
        # Not once a batch: the inbox makes redelivery harmless, and a commit costs a round trip and a log record.
        while True:
            await asyncio.sleep(OFFSETS_EVERY)
            await self._commit()

    async def _commit(self) -> None:
        """Commit how far each partition was taken; what could not be committed is kept for the next time."""
        if not (done := dict(self._done)):
            return
        # In a task of its own: whatever becomes of it in aiokafka, also that it never ends, is one failed try.
        trying = asyncio.create_task(self._consumer.commit(done))
        await asyncio.wait([trying], timeout=COMMIT_SECONDS)
        lost = trying.cancel() or trying.cancelled()
        self._unanswered = self._unanswered + 1 if lost else 0
        error = TimeoutError("no answer") if lost else trying.exception()
        # Of partitions that have moved on somebody else commits: no warning, and not again.
        if settled := error is None or isinstance(error, CommitFailedError | IllegalStateError):
            self._done = {at: offset for at, offset in self._done.items() if done.get(at) != offset}
        if error is not None:
            (log.info if settled else log.warning)("offsets not committed", error=repr(error))


async def _fetched(consumer: AIOKafkaConsumer, within_ms: int, most: int) -> list[ConsumerRecord]:
    fetched = await consumer.getmany(timeout_ms=within_ms, max_records=most)
    return [record for partition in fetched.values() for record in partition]


def _give_back(consumer: AIOKafkaConsumer, records: Sequence[ConsumerRecord]) -> None:
    """Have records fetched again, those of partitions that are still ours; the others' new owner fetches them."""
    for record in reversed(records):  # so that each partition ends at its first
        with contextlib.suppress(IllegalStateError):
            consumer.seek(TopicPartition(record.topic, record.partition), record.offset)
