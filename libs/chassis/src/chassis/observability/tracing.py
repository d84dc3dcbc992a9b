"""Tracing across Kafka: one order is one trace, through every service.

OpenTelemetry's instrumentations are not used for messages: they continue the current span, but an event is sent after
its request has ended. So this module creates the spans of messages. The outbox row has the writer's
`traceparent`. The relay's publish span continues it, and the consumer's process span continues the publish span. With
`SHOP_TRACE_MODE=links` the process span starts a trace of its own, and has a link to the publish span.
"""

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode

MAX_QUEUED_SPANS = "16384"
"""Spans that wait to be sent. The SDK's default of 2,048 is too few for thousands of messages a second."""

FLUSH_SECONDS = 2.0
"""Seconds for which the end of a process waits for its last spans."""

_TRACER = trace.get_tracer("chassis")
_LINKS = os.environ.get("SHOP_TRACE_MODE") == "links"


class MessageSpan(Protocol):
    """The methods of a span that the chassis uses."""

    def get_span_context(self) -> SpanContext | None:
        """The span's ids."""

    def set_status(self, status: Status, /) -> None:
        """Set the status of the span. The chassis sets one only if the message failed."""

    def end(self) -> None:
        """End the span now and have it sent."""


class MessageIds(NamedTuple):
    """The ids of a message in its span."""

    topic: str
    event_id: UUID
    correlation_id: str


class StartSpan(Protocol):
    """Starts the span of one message. The span's parent is sampled. `start_time` is in nanoseconds since the epoch."""

    def __call__(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, str],
        parent: SpanContext,
        start_time: int | None,
    ) -> MessageSpan: ...


class Pipeline(NamedTuple):
    """The SDK's provider of spans, and the processor that sends them in batches."""

    provider: TracerProvider
    processor: BatchSpanProcessor


def _start_sdk_span(
    name: str, kind: SpanKind, attributes: Mapping[str, str], parent: SpanContext, start_time: int | None
) -> MessageSpan:
    context = trace.set_span_in_context(NonRecordingSpan(parent))
    return _TRACER.start_span(name, context, kind, attributes, start_time=start_time)


_pipeline: Pipeline | None = None
_start_child: StartSpan = _start_sdk_span


def configure_tracing(service: str) -> Pipeline | None:
    """Send spans to OTEL_EXPORTER_OTLP_ENDPOINT.

    Without an endpoint, or with OTEL_SDK_DISABLED, no span is recorded, and None is returned.

    The SDK reads sampling, batching and headers from the specification's own OTEL_* variables. The span of a message
    is recorded if its parent is, because half of an order's trace is of no use.
    """
    global _pipeline
    if _pipeline is not None:
        return _pipeline
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or not any(map(os.environ.get, endpoints)):
        return None
    os.environ.setdefault("OTEL_SERVICE_NAME", service)
    os.environ.setdefault("OTEL_BSP_MAX_QUEUE_SIZE", MAX_QUEUED_SPANS)
    provider = TracerProvider(shutdown_on_exit=False)
    processor = BatchSpanProcessor(OTLPSpanExporter())
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    _pipeline = Pipeline(provider, processor)
    return _pipeline


def start_message_spans_with(start: StartSpan) -> None:
    """Set the function that starts spans of messages. The default is the SDK's."""
    global _start_child
    _start_child = start


def end_tracing() -> None:
    """Send the buffered spans. Call it last. The call takes at most FLUSH_SECONDS, even without a collector."""
    if _pipeline is not None:
        flushing = threading.Thread(target=_pipeline.provider.shutdown, daemon=True)
        flushing.start()
        flushing.join(FLUSH_SECONDS)


def current_traceparent() -> str | None:
    """The W3C traceparent (version 00) of the current span, or None without a trace."""
    return traceparent_of(trace.get_current_span())


def traceparent_of(span: MessageSpan) -> str | None:
    """The W3C traceparent (version 00) of a span, or None if it has no ids."""
    context = span.get_span_context()
    if context is None or not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def publish_span(event_type: str, ids: MessageIds, parent: str | None, written: int) -> MessageSpan:
    """The span from the write of an outbox row, `written` nanoseconds since the epoch, to the broker's answer."""
    return _message_span(
        SpanKind.PRODUCER, f"publish {event_type}", _attributes("send", ids), span_context(parent), written
    )


def process_span(event_type: str, ids: MessageIds, parent: str | None) -> MessageSpan:
    """The span of the handling of an event. `parent` is the traceparent of its message."""
    name = f"process {event_type}"
    attributes = _attributes("process", ids)
    remote = span_context(parent)
    if _LINKS and remote.is_valid and remote.trace_flags.sampled:
        return _TRACER.start_span(name, Context(), SpanKind.CONSUMER, attributes, [Link(remote)])
    return _message_span(SpanKind.CONSUMER, name, attributes, remote, None)


def _message_span(
    kind: SpanKind, name: str, attributes: Mapping[str, str], parent: SpanContext, start_time: int | None
) -> MessageSpan:
    if not parent.is_valid:
        return _start_sdk_span(name, kind, attributes, parent, start_time)
    if not parent.trace_flags.sampled:
        return NonRecordingSpan(parent)
    return _start_child(name, kind, attributes, parent, start_time)


@contextmanager
def ended_together(spans: Iterable[MessageSpan]) -> Iterator[None]:
    """End all `spans` with the block. An error marks them with its class and not its text, which may be secret."""
    try:
        yield
    except BaseException as error:
        for span in spans:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        for span in spans:
            span.end()


def _attributes(operation: str, ids: MessageIds) -> dict[str, str]:
    """Attributes by OpenTelemetry's semantic conventions for messaging."""
    return {
        "messaging.system": "kafka",
        "messaging.operation.type": operation,
        "messaging.destination.name": ids.topic,
        "messaging.message.id": str(ids.event_id),
        "messaging.message.conversation_id": ids.correlation_id,
    }


def span_context(traceparent: str | None) -> SpanContext:
    """The ids in a W3C traceparent, or an invalid context if there is none or it is wrong."""
    try:
        _, trace_id, span_id, flags = (traceparent or "").split("-")
        trace_flags: Any = trace.TraceFlags(int(flags, 16) & 0xFF)
        return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=trace_flags)
    except ValueError:
        return trace.INVALID_SPAN_CONTEXT
