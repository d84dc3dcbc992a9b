"""Traces, logs and metrics.

The spans around Kafka are made here and not by an instrumentor, because a message leaves long after the request that
wrote it: the outbox row carries the writer's `traceparent`, the relay's publish span continues it, and the consumer's
process span continues that. `SHOP_TRACE_MODE=links` starts a new trace at each hop and links back instead.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import trace_exporter as otlp
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode
from prometheus_client import Counter, Gauge

CONSUMED = Counter("chassis_events_consumed_total", "Events taken from the transport", ["type", "outcome"])
PUBLISHED = Counter("chassis_events_published_total", "Events acknowledged by the broker", ["topic"])
REFUSED = Counter("chassis_requests_refused_total", "Requests shed because too much was waiting")
JOB_RUNS = Counter("chassis_job_done_total", "Pieces of work done by a job", ["job"])
DEAD_LETTERS_OPEN = Gauge("chassis_dead_letters_open", "Dead letters that wait for a person", ["group"])

# The SDK's own 2,048 are for fewer spans. Its 512 in a request are right: 2,048 cost a little less CPU, but all else in
# the process waits for the interpreter while they are encoded.
MANY_SPANS = "16384"

_SCOPE, _TRACER, _IDS = InstrumentationScope("chassis"), trace.get_tracer("chassis"), RandomIdGenerator()
_LINKS = os.environ.get("SHOP_TRACE_MODE") == "links"
_provider: TracerProvider | None = None
_exporting: BatchSpanProcessor


class MessageSpan(ReadableSpan):
    """A span of one message, of which everything but its end is known when it starts.

    So it does without the locks, limits and copies that make the SDK's own twice as expensive (docs/decisions/0013).
    """

    def set_status(self, status: Status) -> None:
        """What became of it."""
        self._status = status

    def end(self) -> None:
        """Have it sent."""
        self._end_time = time.time_ns()
        _exporting.on_end(self)

    def encoded(self: Any, like: trace_pb2.Span) -> trace_pb2.Span:
        """As protobuf: `like`, which is another of the same name, with what is this one's own put in."""
        span = trace_pb2.Span()
        span.CopyFrom(like)
        span.trace_id, span.span_id = self._context.trace_id.to_bytes(16), self._context.span_id.to_bytes(8)
        span.parent_span_id = self._parent.span_id.to_bytes(8)
        span.start_time_unix_nano, span.end_time_unix_nano = self._start_time, self._end_time
        span.status.code, span.status.message = self._status.status_code.value, self._status.description or ""
        for attribute in span.attributes:
            attribute.value.string_value = self._attributes[attribute.key]
        return span


AnySpan = Span | MessageSpan

About = tuple[str, UUID, str]
"""What a message is about: its topic, its id, its correlation id."""


def encode(spans: Sequence[ReadableSpan]) -> Any:
    """What the exporter sends: the same as of the SDK's `encode_spans`, in another order.

    The SDK takes 31 µs for a message's span, most of it for what is the same in all of that name. So it gets one of
    each name, and the others are made from that. They are of one resource and one scope and stand first, so that the
    first spans of the request are theirs.
    """
    messages = [span for span in spans if isinstance(span, MessageSpan)]
    last = {span.name: span for span in messages}
    request = encode_spans([*last.values(), *(span for span in spans if not isinstance(span, MessageSpan))])
    if messages:
        encoded = request.resource_spans[0].scope_spans[0].spans
        likes = dict(zip(last, encoded, strict=False))
        encoded.extend(span.encoded(likes[span.name]) for span in messages if span is not last[span.name])
    return request


# The exporter cannot be told otherwise. A release in which this has no effect sends the same, at a higher price.
otlp.encode_spans = encode  # type: ignore[attr-defined, assignment]


def configure_tracing(service: str) -> None:
    """Send spans to OTEL_EXPORTER_OTLP_ENDPOINT, if one is set; without one no span is recorded at all.

    Sampling, batching, headers and so on are the specification's own OTEL_* variables, read by the SDK. Whether a
    message's span is recorded its parent has decided, whatever the sampler: half an order's trace is of no use.
    """
    global _provider, _exporting
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or _provider is not None or not any(map(os.environ.get, endpoints)):
        return
    for name, value in {"OTEL_SERVICE_NAME": service, "OTEL_BSP_MAX_QUEUE_SIZE": MANY_SPANS}.items():
        os.environ.setdefault(name, value)
    _provider = TracerProvider(shutdown_on_exit=False)
    _exporting = BatchSpanProcessor(otlp.OTLPSpanExporter())
    _provider.add_span_processor(_exporting)
    trace.set_tracer_provider(_provider)


def end_tracing() -> None:
    """Send what is buffered; call it last, when a process ends. A receiver that is away does not hold up the end."""
    if _provider is not None:
        sending = threading.Thread(target=_provider.shutdown, daemon=True)
        sending.start()
        sending.join(2.0)  # seconds


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


def traceparent_of(span: AnySpan | None = None) -> str | None:
    """The W3C traceparent (version 00) of a span or else of the current one, or None where there is no trace."""
    context = (span or trace.get_current_span()).get_span_context()
    if context is None or not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def message_span(kind: SpanKind, type: str, message: About, parent: str | None, began: int = 0) -> AnySpan:
    """A span of one message, PRODUCER's or CONSUMER's, by OpenTelemetry's conventions for messaging.

    `parent` is the traceparent that it came with, `began`, if it was not now, nanoseconds since the epoch.
    """
    remote = _span_context(parent)
    if remote.is_valid and not remote.trace_flags.sampled:
        return NonRecordingSpan(remote)
    verb, operation = ("process", "process") if kind is SpanKind.CONSUMER else ("publish", "send")
    about = {
        "messaging.system": "kafka",
        "messaging.operation.type": operation,
        "messaging.destination.name": message[0],
        "messaging.message.id": str(message[1]),
        "messaging.message.conversation_id": message[2],
    }
    name = f"{verb} {type}"
    linked = _LINKS and remote.is_valid and kind is SpanKind.CONSUMER
    if _provider is None or not remote.is_valid or linked:
        before = Context() if linked else trace.set_span_in_context(NonRecordingSpan(remote))
        return _TRACER.start_span(name, before, kind, about, [Link(remote)] if linked else [], began or None)
    own = SpanContext(remote.trace_id, _IDS.generate_span_id(), False, remote.trace_flags)
    when: Any = {"start_time": began or time.time_ns(), "instrumentation_scope": _SCOPE}
    return MessageSpan(name, own, remote, _provider.resource, about, (), (), kind, **when)


@contextmanager
def ending(spans: Iterable[AnySpan]) -> Iterator[None]:
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
        return SpanContext(int(trace_id, 16), int(span_id, 16), True, trace.TraceFlags(int(flags, 16) & 0xFF))
    except ValueError:
        return trace.INVALID_SPAN_CONTEXT


def _add_span_ids(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if traceparent := traceparent_of():
        _, event["trace_id"], event["span_id"], _ = traceparent.split("-")
    return event
