"""Traces, logs and metrics.

The spans around Kafka are made here and not by an instrumentor, because a message leaves long after the request that
wrote it: the outbox row carries the writer's `traceparent`, the relay's publish span continues it, and the consumer's
process span continues that. `SHOP_TRACE_MODE=links` starts a new trace at each hop and links back instead.
"""

import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode
from prometheus_client import Counter, Gauge

CONSUMED = Counter("chassis_events_consumed_total", "Events taken from the transport", ["type", "outcome"])
PUBLISHED = Counter("chassis_events_published_total", "Events acknowledged by the broker", ["topic"])
JOB_RUNS = Counter("chassis_job_done_total", "Pieces of work done by a job", ["job"])
DEAD_LETTERS_OPEN = Gauge("chassis_dead_letters_open", "Dead letters that wait for a person", ["group"])

LAST_SPANS_SECONDS = 2.0

_tracer = trace.get_tracer("chassis")


def configure_tracing(service: str) -> None:
    """Send spans to OTEL_EXPORTER_OTLP_ENDPOINT, if one is set; without one no span is recorded at all.

    Sampling, batching, headers and so on are the specification's own OTEL_* variables, read by the SDK.
    """
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if isinstance(trace.get_tracer_provider(), TracerProvider) or not any(map(os.environ.get, endpoints)):
        return
    os.environ.setdefault("OTEL_SERVICE_NAME", service)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def end_tracing() -> None:
    """Send what is buffered; call it last, when a process ends. A receiver that is away does not hold up the end."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        sending = threading.Thread(target=provider.shutdown, daemon=True)
        sending.start()
        sending.join(LAST_SPANS_SECONDS)


def configure_logging(service: str, level: str) -> None:
    """JSON lines on standard output, each with the service and the current trace and span id."""
    renderer = structlog.processors.JSONRenderer()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        lambda _, __, event: event | {"service": service},
        _add_span_ids,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    plain: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=plain, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)  # what libraries have to say


def current_traceparent() -> str | None:
    """The W3C traceparent of the current span, or None outside of any trace."""
    return traceparent_of(trace.get_current_span())


def traceparent_of(span: Span) -> str | None:
    """A span's W3C traceparent (version 00), or None where there is no trace."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def start_span(
    name: str, kind: SpanKind, parent: str | None, attributes: Mapping[str, Any], began: int | None = None
) -> Span:
    """A span that continues the remote `parent`. `began`, if it was not now: nanoseconds since the epoch."""
    remote = _span_context(parent)
    if remote.is_valid and not remote.trace_flags.sampled:
        return NonRecordingSpan(remote)
    linked = remote.is_valid and kind is SpanKind.CONSUMER and os.environ.get("SHOP_TRACE_MODE") == "links"
    context = trace.set_span_in_context(trace.INVALID_SPAN if linked else NonRecordingSpan(remote))
    return _tracer.start_span(name, context, kind, attributes, [Link(remote)] if linked else [], began)


def message_attributes(operation: str, topic: str, id: UUID, correlation_id: str) -> dict[str, str]:
    """What a span says of a message, by OpenTelemetry's conventions for messaging."""
    return {
        "messaging.system": "kafka",
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
        "messaging.message.id": str(id),
        "messaging.message.conversation_id": correlation_id,
    }


@contextmanager
def ending(spans: Sequence[Span]) -> Iterator[None]:
    """Spans that end with the block; what an error says stays out of them, it may hold a secret."""
    try:
        yield
    except BaseException as error:
        for span in spans:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        for span in spans:
            span.end()


def _span_context(traceparent: str | None) -> SpanContext:
    try:
        _, trace_id, span_id, flags = (traceparent or "").split("-")
        return SpanContext(int(trace_id, 16), int(span_id, 16), True, trace.TraceFlags(int(flags, 16)))
    except ValueError:
        return trace.INVALID_SPAN_CONTEXT


def _add_span_ids(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
        event["span_id"] = f"{context.span_id:016x}"
    return event
