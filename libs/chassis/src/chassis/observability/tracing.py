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
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode

from chassis.observability.module import current_module

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
    system: str = "kafka"
    """OpenTelemetry's name of the messaging system."""


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


_pipelines: dict[str, Pipeline] = {}
"""Module → its pipeline. A process with one service has the empty name."""
_start_child: dict[str, StartSpan] = {}
"""Module → the function that starts spans of its messages, unless it is the SDK's."""


def configure_tracing(service: str) -> Pipeline | None:
    """Send spans to OTEL_EXPORTER_OTLP_ENDPOINT. Each module of a process has a pipeline of its own.

    Without an endpoint, or with OTEL_SDK_DISABLED, no span is recorded, and None is returned.

    The SDK reads sampling, batching and headers from the specification's own OTEL_* variables. The span of a message
    is recorded if its parent is, because half of an order's trace is of no use.
    """
    module = current_module()
    if module in _pipelines:
        return _pipelines[module]
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or not any(map(os.environ.get, endpoints)):
        return None
    resource = None
    if module:
        resource = Resource.create({"service.name": service})
    else:
        os.environ.setdefault("OTEL_SERVICE_NAME", service)
    os.environ.setdefault("OTEL_BSP_MAX_QUEUE_SIZE", MAX_QUEUED_SPANS)
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    processor = BatchSpanProcessor(OTLPSpanExporter())
    provider.add_span_processor(processor)
    if not module:
        trace.set_tracer_provider(provider)
    elif not _pipelines:
        trace.set_tracer_provider(_ProviderOfModules())
    _pipelines[module] = Pipeline(provider, processor)
    return _pipelines[module]


class _ProviderOfModules(trace.TracerProvider):
    """Gives tracers that start each span with the provider of the current module."""

    def get_tracer(self, *about: Any, **more: Any) -> trace.Tracer:
        return _TracerOfModules(about, more)


class _TracerOfModules(trace.Tracer):
    def __init__(self, about: tuple[Any, ...], more: Mapping[str, Any]) -> None:
        self._about = about
        self._more = more
        self._tracers: dict[str, trace.Tracer] = {}

    def start_span(self, *about: Any, **more: Any) -> trace.Span:
        return self._tracer().start_span(*about, **more)

    def start_as_current_span(self, *about: Any, **more: Any) -> Any:
        return self._tracer().start_as_current_span(*about, **more)

    def _tracer(self) -> trace.Tracer:
        module = current_module()
        if module not in self._tracers:
            if module not in _pipelines:
                return trace.NoOpTracer()
            self._tracers[module] = _pipelines[module].provider.get_tracer(*self._about, **self._more)
        return self._tracers[module]


def start_message_spans_with(start: StartSpan) -> None:
    """Set the function that starts spans of messages. The default is the SDK's."""
    _start_child[current_module()] = start


def end_tracing() -> None:
    """Send the buffered spans. Call it last. The call takes at most FLUSH_SECONDS, even without a collector."""
    pipeline = _pipelines.get(current_module())
    if pipeline is not None:
        flushing = threading.Thread(target=pipeline.provider.shutdown, daemon=True)
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
    start = _start_child.get(current_module(), _start_sdk_span)
    return start(name, kind, attributes, parent, start_time)


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
        "messaging.system": ids.system,
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
