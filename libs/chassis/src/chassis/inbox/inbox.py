"""The inbox handles each event once, in the order of its key. If no message fails, a batch is one transaction.

The transaction has the inbox rows, the handlers' state changes and the outbox rows. A duplicate finds its inbox row and
is dropped. If two replicas get the same event during a rebalance, the second one finds the inbox row of the first.

In this package a message is taken when it was handled, is a duplicate or ignored, or is stored as a dead letter. The
inbox knows no transport. After `process` has returned, the transport that called it may commit the messages' offsets.
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import structlog

from chassis.errors import is_unavailable
from chassis.events import RawMessage
from chassis.inbox import dead_letters
from chassis.inbox.breaker import Breaker, Failure
from chassis.inbox.dead_letters import DeadLetter
from chassis.inbox.dispatch import dispatch
from chassis.inbox.outcomes import Claim, KeyHeld, PartlyTaken
from chassis.inbox.reading import classify, read
from chassis.inbox.rounds import InboxEvent, by_key
from chassis.inbox.subscriptions import Subscriptions
from chassis.inbox.tries import Tries
from chassis.observability import metrics, tracing
from chassis.observability.tracing import MessageSpan
from chassis.outbox import Database, Transaction

log = structlog.get_logger()

Identity = tuple[str, UUID]
PARTS = 8
"""A batch that failed is divided into this number of parts, and a part that fails is divided again. A batch or part
with at most this number of keys is not divided: its events are handled one by one."""


class Inbox:
    """One consumer group's inbox.

    An event that fails is tried alone up to `max_attempts` times before it is dead-lettered. A failure of several
    events together does not count as a try, and the count is lost when the process ends. Between two tries `process`
    returns, so that other partitions do not wait. With `retries_at_once` the tries follow each other in one call. It is
    for callers that cannot deliver a message again, such as tests. If events of `breaker_keys` different keys fail one
    after another with the same error, failed events of this type wait and are not dead-lettered (`Breaker`).
    """

    def __init__(
        self,
        database: Database,
        group: str,
        subscriptions: Subscriptions,
        *,
        max_attempts: int = 4,
        retries_at_once: bool = False,
        breaker_keys: int = 20,
    ) -> None:
        self.database = database
        self.group = group
        self.subscriptions = subscriptions
        self._tries = Tries(max_attempts)
        self._retries_at_once = retries_at_once
        self._breaker = Breaker(breaker_keys)

    async def process(self, messages: Sequence[RawMessage]) -> None:
        """Process a batch. Afterwards each message was handled, is a duplicate or ignored, or is a dead letter.

        Raises:
            PartlyTaken: some messages must be delivered again, each for one of these reasons: its event has tries left,
                the breaker is open for its type, no dead letter could be stored, or an earlier event of its key must be
                delivered again.
            Exception: an error that `is_unavailable` recognises, if a dependency is unavailable. Deliver the same batch
                again: no message is lost, and messages that were taken are duplicates.
        """
        batch = classify(messages, self.subscriptions)
        # An event that has failed could make the whole batch fail again, so it is handled alone.
        alone = [event for event in batch.events if self._tries.has_failed(event.key)]
        together = [event for event in batch.events if not self._tries.has_failed(event.key)]
        left: list[RawMessage] = []
        try:
            await self._take(together, batch.dead)
        except Exception as error:
            if is_unavailable(error):
                raise
            log.warning("inbox.batch_failed", events=len(together), error=repr(error))
            alone += await self._take_in_parts(together)
            left += await self._store_all(batch.dead)
        left += await self._take_one_by_one(alone)
        left += await self._take_waiting(batch.behind_dead, _keys_of(left))
        if left:
            raise PartlyTaken(left)

    async def redrive(self, tx: Transaction, message: RawMessage, spans: list[MessageSpan]) -> None:
        """Handle a dead letter's message again, in the caller's transaction, although a dead letter blocks its key.

        A duplicate and an ignored type have no effect. The span of the event is added to `spans`. The caller ends
        `spans` when the transaction has ended. Raises Undecodable or the handler's error if the message fails again.
        """
        event = read(message, self.subscriptions)
        if event is None:
            return
        source, event_id = event.identity
        identity = {"group": self.group, "source": source, "id": event_id}
        if await tx.connection.row(dead_letters.statements.named("claim_event"), identity) is not None:
            await dispatch(tx, [event], spans)

    def events_in(self, messages: Sequence[RawMessage]) -> list[InboxEvent]:
        """The events that the service handles. Messages of other topics and ignored types are left out.

        Raises Undecodable if a message of its topics is no event that it can read.
        """
        topics = set(self.subscriptions.topics)
        events = [read(message, self.subscriptions) for message in messages if message.topic in topics]
        return [event for event in events if event is not None]

    async def claim(self, tx: Transaction, events: Sequence[InboxEvent]) -> list[InboxEvent]:
        """Claim events in the caller's transaction, which then calls `dispatch`. Duplicates are left out.

        Raises KeyHeld if an event has to wait for a dead letter of its key.
        """
        claims = await self._claim(tx, events)
        if waiting := [event for event in events if claims[event.identity] is Claim.WAITING]:
            raise KeyHeld(f"{waiting[0].envelope.type} waits for a dead letter of its key in {self.group}")
        return [event for event in events if claims[event.identity] is Claim.NEW]

    async def _take(self, events: Sequence[InboxEvent], dead: Sequence[DeadLetter]) -> bool:
        """Handle events and store dead letters in one transaction. Returns whether a handler was called."""
        if not events and not dead:
            return False
        once = {event.identity: event for event in events}  # a relay may send an event twice
        spans: list[MessageSpan] = []
        with tracing.ended_together(spans):
            async with self.database.transaction() as tx:
                claims = await self._claim(tx, list(once.values()))
                new = [event for event in once.values() if claims[event.identity] is Claim.NEW]
                waiting = [event for event in once.values() if claims[event.identity] is Claim.WAITING]
                await dispatch(tx, new, spans)
                await dead_letters.enqueue_behind(tx, self.group, [event.message for event in waiting])
                stored = await dead_letters.store(tx, self.group, dead)
        for event in events:
            metrics.CONSUMED[event.envelope.type, claims[event.identity]].inc()
        for letter in stored:
            metrics.DEAD_LETTERS.labels(self.group, letter.reason).inc()
        if new and self._breaker.has_failures:
            self._breaker.record({event.envelope.type for event in new}, ())
        return bool(new)

    async def _take_in_parts(self, events: Sequence[InboxEvent]) -> list[InboxEvent]:
        """Take a batch that failed, divided into parts. A part that fails is divided again.

        Returns the events that must be taken alone. If few events of a large batch fail, this needs far fewer
        transactions than the batch has events.
        """
        keys = list(by_key(events).values())
        if len(keys) <= PARTS:
            return list(events)
        alone: list[InboxEvent] = []
        for number in range(PARTS):
            part = [event for of_key in keys[number::PARTS] for event in of_key]
            try:
                await self._take(part, [])
            except Exception as error:
                if is_unavailable(error):
                    raise
                alone += await self._take_in_parts(part)
        return alone

    async def _claim(self, tx: Transaction, events: Sequence[InboxEvent]) -> Mapping[Identity, Claim]:
        """Insert those events into the inbox that no dead letter blocks. Returns the result for each event."""
        if not events:
            return {}
        batch = {
            "group": self.group,
            "sources": [event.envelope.source for event in events],
            "ids": [event.envelope.id for event in events],
            "topics": [event.message.topic for event in events],
            "keys": [event.envelope.subject for event in events],
        }
        claims = dict.fromkeys((event.identity for event in events), Claim.DUPLICATE)
        for source, event_id, must_wait in await tx.connection.rows(
            dead_letters.statements.named("claim_events"), batch
        ):
            claims[source, event_id] = Claim.WAITING if must_wait else Claim.NEW
        return claims

    async def _take_one_by_one(self, events: Sequence[InboxEvent]) -> list[RawMessage]:
        """Take each event alone. Those that fail and have no try left become HELD dead letters.

        An event waits while an earlier one of its key fails. Other keys continue. Returns the messages that must be
        delivered again.
        """
        failed, events = await self._try_each(events)
        while self._retries_at_once and any(self._may_try_again(event) for event, _ in failed.values()):
            failed, events = await self._try_each(events)
        left_keys: set[tuple[str, str]] = set()
        for event, error in failed.values():
            must_wait = self._breaker.is_open(event.envelope.type) or self._tries.are_left(event)
            if must_wait or not await self._hold_key(event, error):
                left_keys.add(event.key)
            else:
                self._tries.end(event)
        # The other failed events are dead letters now, so the later events of their keys become WAITING.
        return await self._take_waiting(events, left_keys)

    def _may_try_again(self, event: InboxEvent) -> bool:
        return self._tries.are_left(event) and not self._breaker.is_open(event.envelope.type)

    async def _try_each(
        self, events: Sequence[InboxEvent]
    ) -> tuple[dict[tuple[str, str], Failure], list[InboxEvent]]:
        """Handle each event alone. Returns the failures by key, and all events that are not taken yet, in order."""
        failed: dict[tuple[str, str], Failure] = {}
        waiting: list[InboxEvent] = []
        succeeded: set[str] = set()
        for event in events:
            if event.key not in failed:
                try:
                    if await self._take([event], []):
                        succeeded.add(event.envelope.type)
                except Exception as error:
                    if is_unavailable(error):
                        raise
                    failed[event.key] = (event, error)
                    self._tries.count(event, is_last=isinstance(error, self.subscriptions.not_retried))
                else:
                    self._tries.end(event)
            if event.key in failed:
                waiting.append(event)
        self._breaker.record(succeeded, failed.values())
        return failed, waiting

    async def _take_waiting(
        self, events: Sequence[InboxEvent], left_keys: set[tuple[str, str]]
    ) -> list[RawMessage]:
        """Store events of blocked keys as WAITING, except those of `left_keys`. Returns the messages that are left."""
        if not left_keys:
            try:
                await self._take(events, [])
                return []
            except Exception as error:
                if is_unavailable(error):
                    raise
        left: list[RawMessage] = []
        for event in events:
            if event.key not in left_keys:
                try:
                    await self._take([event], [])
                except Exception as error:
                    if is_unavailable(error):
                        raise
                    log.error("inbox.event_left", topic=event.message.topic, error=repr(error))
                    left_keys.add(event.key)
            if event.key in left_keys:
                left.append(event.message)
        return left

    async def _hold_key(self, event: InboxEvent, error: Exception) -> bool:
        """Make a HELD dead letter of a failed event. Returns whether it could be stored."""
        envelope = event.envelope
        log.error("dead_letter.key_held", type=envelope.type, key=envelope.subject, error=repr(error))
        return await self._store(DeadLetter(event.message, "handler-failed", repr(error), holds_key=True))

    async def _store_all(self, letters: Sequence[DeadLetter]) -> list[RawMessage]:
        """Store letters together, or each alone if that fails. Returns the messages that could not be stored."""
        try:
            await self._take([], letters)
            return []
        except Exception as error:
            if is_unavailable(error):
                raise
        return [letter.message for letter in letters if not await self._store(letter)]

    async def _store(self, letter: DeadLetter) -> bool:
        """Store a dead letter, or a minimal one if that fails. Returns whether one could be stored."""
        for form in (letter, dead_letters.minimal(letter)):
            try:
                await self._take([], [form])
            except Exception as error:
                if is_unavailable(error):
                    raise
                message = letter.message
                log.error(
                    "dead_letter.not_stored",
                    topic=message.topic,
                    position=message.position,
                    error=repr(error),
                )
            else:
                return True
        return False


def _keys_of(messages: Iterable[RawMessage]) -> set[tuple[str, str]]:
    return {(message.topic, dead_letters.ordering_key(message)) for message in messages}
