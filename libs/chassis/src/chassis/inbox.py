"""The inbox: takes each event once, in the order of its key, in one transaction for a whole batch.

A batch is one transaction: inbox rows, the handlers' state changes, outbox rows. A duplicate finds its inbox row and is
dropped; a replica that lost its partitions meets the other's inbox row and is fenced by the database.

It knows no transport: whoever has messages calls `process`, and may forget them when it returns.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast, get_args, get_type_hints
from uuid import UUID

import structlog
from opentelemetry.trace import SpanKind
from pydantic import ValidationError

from chassis import dead_letters, envelope, sql, telemetry
from chassis.database import Database, Transaction, is_unavailable
from chassis.dead_letters import Dead
from chassis.envelope import ConsumedEvent, RawMessage, Received, Undecodable

log = structlog.get_logger()

Handler = Callable[[Transaction, Sequence[Received[Any]]], Awaitable[None]]
"""`async def reserve_stock(tx: Transaction, events: Batch[OrderPlaced]) -> None`: the use case for a batch of events of
one type, in which each key occurs at most once. It never commits."""


OUTCOMES = {False: "handled", True: "held", None: "duplicate"}


class Subscription(NamedTuple):
    """What a service does with one event type: its read model and its handler."""

    model: type[ConsumedEvent]
    handler: Handler


class Accepted(NamedTuple):
    """A message that was understood, and what is to be done with it."""

    message: RawMessage
    envelope: Received[Any]
    subscription: Subscription

    @property
    def id(self) -> tuple[str, UUID]:
        """What is handled once: an id is unique within its source."""
        return self.envelope.source, self.envelope.id

    @property
    def key(self) -> tuple[str, str]:
        """What has an order of its own: the topic and the aggregate."""
        return self.message.topic, self.envelope.subject


def subscriptions_of(handlers: Mapping[str, Handler]) -> dict[str, Subscription]:
    """Find each handler's read model in its annotations, and hold it against the type it is subscribed to.

    Raises TypeError, at start, where a handler has no `Batch[Model]` or the model is of another event.
    """
    return {type_: Subscription(_model_of(type_, handler), handler) for type_, handler in handlers.items()}


def _model_of(type_: str, handler: Handler) -> type[ConsumedEvent]:
    hints = [hint for name, hint in get_type_hints(handler).items() if name != "return"]
    try:
        (received,) = get_args(hints[1])
        (model,) = get_args(received)
    except (IndexError, ValueError) as error:
        raise TypeError(f"{handler} must be (tx: Transaction, events: Batch[SomeConsumedEvent])") from error
    if not (isinstance(model, type) and issubclass(model, ConsumedEvent) and model.event_type == type_):
        raise TypeError(f"{handler} reads {model}, which is not the model of {type_}")
    return model


@dataclass(frozen=True, slots=True)
class Inbox:
    """One consumer group's inbox. `ignored` are the types on its topics that it knows and does not need.

    `patient` are the types that nobody waits for: they may wait until something comes that somebody waits for.
    """

    database: Database
    group: str
    subscriptions: Mapping[str, Subscription]
    ignored: Collection[str] = ()
    patient: Collection[str] = ()
    max_attempts: int = 4
    retry_seconds: float = 0.1

    @property
    def topics(self) -> set[str]:
        """The topics to read."""
        return {subscription.model.topic for subscription in self.subscriptions.values()}

    def can_wait(self, messages: Iterable[RawMessage]) -> bool:
        """Whether nobody waits for any of these messages. Only their headers are looked at."""
        quiet = {type_.encode() for type_ in (*self.patient, *self.ignored)}
        return all(dict(message.headers).get("ce_type") in quiet for message in messages)

    async def process(self, messages: Sequence[RawMessage]) -> None:
        """Take a batch, all of it: when this returns each message was handled, was a duplicate, or is a dead letter.

        Raises what `is_unavailable` recognises when a dependency is away: then nothing of the batch that was not taken
        already is lost, and the same batch is to be given again.
        """
        events, dead, behind = self._sort(messages)
        try:
            await self._take(events, dead)
        except Exception as error:
            if is_unavailable(error):
                raise
            log.warning("batch failed, its events one by one", events=len(events), error=repr(error))
            await self._take_one_by_one(events)
            await self._take([], dead)
        await self._take(behind, [])

    async def handle_held(self, tx: Transaction, message: RawMessage) -> None:
        """Handle a dead letter again, in a transaction of the caller's, although its key is held.

        A duplicate or an ignored type has no effect. Raises Undecodable or the handler's error if it fails again.
        """
        if (event := self.read(message)) is None:
            return
        which = {"group": self.group, "source": event.envelope.source, "id": event.envelope.id}
        if await tx.connection.row(sql.statement("claim_event"), which) is not None:
            await self._dispatch(tx, [event])

    def read(self, message: RawMessage) -> Accepted | None:
        """Understand a message: None if its type is ignored. Raises Undecodable with the reason."""
        event = envelope.decode(message)
        subscription = self.subscriptions.get(event.type)
        if subscription is None:
            if event.type in self.ignored:
                return None
            raise Undecodable("unknown-type", f"{self.group} does not know the event type {event.type!r}")
        try:
            data = subscription.model.model_validate_json(event.data)
        except ValidationError as error:
            raise Undecodable("schema-violation", envelope.describe(error)) from error
        return Accepted(message, cast(Received[Any], event)._replace(data=data), subscription)

    def _sort(self, messages: Sequence[RawMessage]) -> tuple[list[Accepted], list[Dead], list[Accepted]]:
        """What to handle, what cannot be, and what stands behind the latter in the order of its key."""
        events, dead, behind = list[Accepted](), list[Dead](), list[Accepted]()
        held = set[tuple[str, str]]()
        for message in messages:
            try:
                event = self.read(message)
            except Undecodable as error:
                log.warning("dead letter", reason=error.reason, topic=message.topic, at=message.position)
                # What we do not subscribe to cannot be missed by what follows it. What we do, and cannot read, can.
                letter = Dead(message, error.reason, str(error), holds=error.reason == "schema-violation")
                dead.append(letter)
                if letter.holds:
                    held.add((message.topic, dead_letters.key_of(message)))
                continue
            if event is not None:
                (behind if event.key in held else events).append(event)
        return events, dead, behind

    async def _take(self, events: Sequence[Accepted], dead: Sequence[Dead]) -> None:
        """One transaction for all of it."""
        if not events and not dead:
            return
        once = {event.id: event for event in events}  # a relay may send an event twice into one batch
        async with self.database.transaction() as tx:
            held = await self._claim(tx, list(once.values()))
            await self._dispatch(tx, [event for id, event in once.items() if held.get(id) is False])
            for event in (event for id, event in once.items() if held.get(id)):
                await dead_letters.queue_behind(tx, self.group, event.message)
            for letter in dead:
                await dead_letters.bury(tx, self.group, letter)
        for event in events:
            telemetry.CONSUMED.labels(event.envelope.type, OUTCOMES[held.get(event.id)]).inc()

    async def _dispatch(self, tx: Transaction, events: Sequence[Accepted]) -> None:
        for handler, calls in waves(events):
            traced = [_traced(event) for event in calls]
            tx.spans += [span for _, span in traced]
            await handler(tx, [received for received, _ in traced])

    async def _claim(self, tx: Transaction, events: Sequence[Accepted]) -> dict[tuple[str, UUID], bool]:
        """Enter events into the inbox. Returns those that are not there yet, and whether their key is held."""
        if not events:
            return {}
        columns = zip(*[(*event.id, *event.key) for event in events], strict=True)
        batch = dict(zip(("sources", "ids", "topics", "keys"), columns, strict=True))
        claimed = await tx.connection.rows(sql.statement("claim_events"), {"group": self.group, **batch})
        return {(source, id): held for source, id, held in claimed}

    async def _take_one_by_one(self, events: Sequence[Accepted]) -> None:
        """Find the events that fail, try them again with growing pauses, then let each hold its key.

        An event waits while an earlier one of its key fails; all others go on.
        """
        failed: dict[tuple[str, str], tuple[Accepted, Exception]] = {}
        for attempt in range(self.max_attempts):
            if attempt:
                await asyncio.sleep(self.retry_seconds * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))
            failed, waiting = {}, []
            for event in events:
                if event.key not in failed:
                    try:
                        await self._take([event], [])
                    except Exception as fault:
                        if is_unavailable(fault):
                            raise
                        failed[event.key] = (event, fault)
                if event.key in failed:
                    waiting.append(event)
            if not (events := waiting):
                return
        for event, error in failed.values():
            type_, key = event.envelope.type, event.envelope.subject
            log.error("dead letter, its key waits", type=type_, key=key, error=repr(error))
            await self._take([], [Dead(event.message, "handler-failed", repr(error), holds=True)])
        # What waited behind them finds the key held. They themselves are there already.
        await self._take(events, [])


def waves(events: Iterable[Accepted]) -> list[tuple[Handler, list[Accepted]]]:
    """Divide a batch into handler calls: the nth event of a key is in the nth wave, a wave is divided by type.

    So each call has each key once, the order within a key is kept, and a batch of many keys is a few calls.
    """
    nth: dict[tuple[str, str], int] = defaultdict(int)
    calls: dict[tuple[int, str], tuple[Handler, list[Accepted]]] = {}
    for event in events:
        call = (nth[event.key], event.envelope.type)
        nth[event.key] += 1
        calls.setdefault(call, (event.subscription.handler, []))[1].append(event)
    return [calls[call] for call in sorted(calls)]


def _traced(event: Accepted) -> tuple[Received[Any], telemetry.AnySpan]:
    """The event as its handler gets it, and the span that what it publishes will continue."""
    head, cause = event.envelope, event.envelope.cause
    message = (event.message.topic, head.id, cause.correlation_id)
    span = telemetry.message_span(SpanKind.CONSUMER, head.type, message, cause.traceparent)
    here = telemetry.traceparent_of(span) or cause.traceparent
    return head._replace(cause=cause._replace(traceparent=here)), span
