"""Calls the handlers of events that are claimed. Each event gets a span."""

from collections.abc import Sequence
from typing import Any

from chassis.inbox.rounds import InboxEvent, calls_of
from chassis.observability import tracing
from chassis.observability.tracing import MessageIds, MessageSpan
from chassis.outbox import Transaction


async def dispatch(tx: Transaction, events: Sequence[InboxEvent], spans: list[MessageSpan]) -> None:
    """Call the handlers in rounds. The spans of the events are added to `spans`, which the caller ends."""
    for call in calls_of(events):
        envelopes = []
        for event in call.events:
            span = _process_span(event)
            spans.append(span)
            envelopes.append(_continuing(event, span))
        await call.handler(tx, envelopes)


def _process_span(event: InboxEvent) -> MessageSpan:
    envelope = event.envelope
    ids = MessageIds(event.message.topic, envelope.id, envelope.cause.correlation_id, event.message.system)
    return tracing.process_span(envelope.type, ids, envelope.cause.traceparent)


def _continuing(event: InboxEvent, span: MessageSpan) -> Any:
    """The envelope for the handler. Events that the handler publishes because of it continue `span`."""
    envelope = event.envelope
    traceparent = tracing.traceparent_of(span) or envelope.cause.traceparent
    return envelope._replace(cause=envelope.cause._replace(traceparent=traceparent))
