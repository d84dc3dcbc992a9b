"""The inbox takes each event once, in the order of its key, in one transaction for a whole batch.

The transaction has the inbox rows, the handlers' state changes and the outbox rows. A duplicate finds its inbox row and
is dropped. A replica that has lost its partitions meets the inbox rows of the other replica: the database fences it.

The inbox knows no transport. The transport calls `process`, and may forget the messages when it returns.
"""

import asyncio
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, cast
from uuid import UUID

import structlog
from pydantic import ValidationError

from chassis.backoff import Backoff
from chassis.errors import is_unavailable
from chassis.events import RawMessage, Undecodable, decode, describe
from chassis.inbox import dead_letters
from chassis.inbox.dead_letters import DeadLetter
from chassis.inbox.rounds import InboxEvent, calls_of
from chassis.inbox.subscriptions import Subscriptions
from chassis.observability import metrics, tracing
from chassis.observability.tracing import MessageIds, MessageSpan
from chassis.outbox import Database, Transaction

log = structlog.get_logger()

EVENT_RETRIES = Backoff(first=0.1)

Identity = tuple[str, UUID]


class Claim(StrEnum):
    """What became of an event that was entered into the inbox."""

    NEW = "handled"
    HELD = "held"
    """Its key is held by a dead letter."""
    DUPLICATE = "duplicate"


class SortedBatch(NamedTuple):
    """A batch, by what is to be done with it."""

    events: list[InboxEvent]
    dead: list[DeadLetter]
    behind_dead: list[InboxEvent]
    """Events whose key a dead letter of this same batch holds."""


class Inbox:
    """One consumer group's inbox.

    An event whose handler fails is tried `max_attempts` times, with pauses by `backoff`, before it is dead-lettered.
    """

    def __init__(
        self,
        database: Database,
        group: str,
        subscriptions: Subscriptions,
        *,
        max_attempts: int = 4,
        backoff: Backoff = EVENT_RETRIES,
    ) -> None:
        self.database = database
        self.group = group
        self.subscriptions = subscriptions
        self._max_attempts = max_attempts
        self._backoff = backoff

    async def process(self, messages: Sequence[RawMessage]) -> None:
        """Take a whole batch: afterwards each message was handled, was a duplicate, or is a dead letter.

        Raises an error that `is_unavailable` recognises when a dependency is away. Then give the same batch again:
        nothing is lost, and what was taken already is a duplicate.
        """
        batch = self._sort(messages)
        try:
            await self._take(batch.events, batch.dead)
        except Exception as error:
            if is_unavailable(error):
                raise
            log.warning("inbox.batch_failed", events=len(batch.events), error=repr(error))
            await self._take_one_by_one(batch.events)
            await self._take([], batch.dead)
        await self._take(batch.behind_dead, [])

    async def redrive(self, tx: Transaction, message: RawMessage, spans: list[MessageSpan]) -> None:
        """Handle a dead letter's message again, in the caller's transaction, although its key is held.

        A duplicate and an ignored type have no effect. The caller ends `spans` when the transaction has ended. Raises
        Undecodable or the handler's error if the message fails again.
        """
        event = self._read(message)
        if event is None:
            return
        source, event_id = event.identity
        identity = {"group": self.group, "source": source, "id": event_id}
        if await tx.connection.row(dead_letters.statements.named("claim_event"), identity) is not None:
            await self._dispatch(tx, [event], spans)

    def _read(self, message: RawMessage) -> InboxEvent | None:
        """Decode a message. None if its type is ignored. Raises Undecodable with the reason."""
        envelope = decode(message)
        subscription = self.subscriptions.by_type.get(envelope.type)
        if subscription is None:
            if envelope.type in self.subscriptions.ignored:
                return None
            raise Undecodable("unknown-type", f"{self.group} does not know the event type {envelope.type!r}")
        try:
            data = subscription.model.model_validate_json(envelope.data)
        except ValidationError as error:
            raise Undecodable("schema-violation", describe(error)) from error
        return InboxEvent(message, cast(Any, envelope)._replace(data=data), subscription)

    def _sort(self, messages: Sequence[RawMessage]) -> SortedBatch:
        batch = SortedBatch([], [], [])
        held_keys: set[tuple[str, str]] = set()
        for message in messages:
            try:
                event = self._read(message)
            except Undecodable as error:
                log.warning(
                    "dead_letter.stored", reason=error.reason, topic=message.topic, position=message.position
                )
                # Later events of the key may need an event that we subscribe to. They cannot need any other message.
                holds_key = error.reason == "schema-violation"
                batch.dead.append(DeadLetter(message, error.reason, str(error), holds_key))
                if holds_key:
                    held_keys.add((message.topic, dead_letters.ordering_key(message)))
                continue
            if event is None:
                continue
            if event.key in held_keys:
                batch.behind_dead.append(event)
            else:
                batch.events.append(event)
        return batch

    async def _take(self, events: Sequence[InboxEvent], dead: Sequence[DeadLetter]) -> None:
        """Take events and dead letters in one transaction."""
        if not events and not dead:
            return
        once = {event.identity: event for event in events}  # a relay may send an event twice into one batch
        spans: list[MessageSpan] = []
        with tracing.ended_together(spans):
            async with self.database.transaction() as tx:
                claims = await self._claim(tx, list(once.values()))
                new = [event for event in once.values() if claims[event.identity] is Claim.NEW]
                held = [event for event in once.values() if claims[event.identity] is Claim.HELD]
                await self._dispatch(tx, new, spans)
                for event in held:
                    await dead_letters.enqueue_behind(tx, self.group, event.message)
                for letter in dead:
                    await dead_letters.store(tx, self.group, letter)
        for event in events:
            metrics.EVENTS_CONSUMED.labels(event.envelope.type, claims[event.identity]).inc()

    async def _claim(self, tx: Transaction, events: Sequence[InboxEvent]) -> Mapping[Identity, Claim]:
        """Enter events into the inbox, and say of each what became of it."""
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
        for source, event_id, is_held in await tx.connection.rows(
            dead_letters.statements.named("claim_events"), batch
        ):
            claims[source, event_id] = Claim.HELD if is_held else Claim.NEW
        return claims

    async def _dispatch(
        self, tx: Transaction, events: Sequence[InboxEvent], spans: list[MessageSpan]
    ) -> None:
        """Call the handlers. Each event gets a span; the caller ends `spans` with the transaction."""
        for call in calls_of(events):
            envelopes = []
            for event in call.events:
                span = _process_span(event)
                spans.append(span)
                envelopes.append(_continuing(event, span))
            await call.handler(tx, envelopes)

    async def _take_one_by_one(self, events: Sequence[InboxEvent]) -> None:
        """Find the events that fail, try them again with growing pauses, then let each hold its key.

        An event waits while an earlier one of its key fails. All other keys go on.
        """
        failed: dict[tuple[str, str], tuple[InboxEvent, Exception]] = {}
        for attempt in range(self._max_attempts):
            if attempt:
                await asyncio.sleep(self._backoff.pause(attempt))
            failed, events = await self._try_each(events)
            if not events:
                return
        for event, error in failed.values():
            log.error(
                "dead_letter.key_held",
                type=event.envelope.type,
                key=event.envelope.subject,
                error=repr(error),
            )
            letter = DeadLetter(event.message, "handler-failed", repr(error), holds_key=True)
            await self._take([], [letter])
        # The events that waited behind them find the key held. The failed events are dead letters already.
        await self._take(events, [])

    async def _try_each(
        self, events: Sequence[InboxEvent]
    ) -> tuple[dict[tuple[str, str], tuple[InboxEvent, Exception]], list[InboxEvent]]:
        """Take each event alone. Returns what failed, by key, and all events that are not taken yet, in order."""
        failed: dict[tuple[str, str], tuple[InboxEvent, Exception]] = {}
        waiting: list[InboxEvent] = []
        for event in events:
            if event.key not in failed:
                try:
                    await self._take([event], [])
                except Exception as error:
                    if is_unavailable(error):
                        raise
                    failed[event.key] = (event, error)
            if event.key in failed:
                waiting.append(event)
        return failed, waiting


def _process_span(event: InboxEvent) -> MessageSpan:
    envelope = event.envelope
    ids = MessageIds(event.message.topic, envelope.id, envelope.cause.correlation_id)
    return tracing.process_span(envelope.type, ids, envelope.cause.traceparent)


def _continuing(event: InboxEvent, span: MessageSpan) -> Any:
    """The envelope as the handler gets it: what is published because of it continues `span`."""
    envelope = event.envelope
    traceparent = tracing.traceparent_of(span) or envelope.cause.traceparent
    return envelope._replace(cause=envelope.cause._replace(traceparent=traceparent))
