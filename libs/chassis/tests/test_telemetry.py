"""A message's span says what the SDK's own would say, and is left out where the SDK would leave it out."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from unittest.mock import MagicMock
from uuid import UUID

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanKind, Status, StatusCode, set_span_in_context

from chassis.events import Cause, Envelope, RawMessage

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOT_SAMPLED = PARENT[:-1] + "0"
MESSAGE = ("things.thing.v1", UUID(int=7), "order-1")


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor := SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "_provider", provider)
    monkeypatch.setattr(telemetry, "_exporting", processor, raising=False)
    monkeypatch.setattr(telemetry, "_TRACER", provider.get_tracer("chassis"))
    yield exporter
    provider.shutdown()


def on_the_wire(span: ReadableSpan) -> Span:
    """The span as it is sent, without what differs from one span to the next."""
    (resource,) = encode_spans([span]).resource_spans
    (scope,) = resource.scope_spans
    assert scope.scope.name == "chassis"
    (sent,) = scope.spans
    assert len(sent.span_id) == 8
    assert 0 < sent.start_time_unix_nano <= sent.end_time_unix_nano
    for field in ("span_id", "start_time_unix_nano", "end_time_unix_nano"):
        sent.ClearField(field)
    return sent


@pytest.mark.parametrize("kind", [SpanKind.PRODUCER, SpanKind.CONSUMER])
def test_a_messages_span_is_sent_as_the_sdks_own_would_be(
    kind: SpanKind, exported: InMemorySpanExporter
) -> None:
    span = telemetry.message_span(kind, "things.counted.v1", MESSAGE, PARENT)
    span.set_status(Status(StatusCode.ERROR, "Boom"))
    span.end()
    (ours,) = exported.get_finished_spans()
    exported.clear()

    context = set_span_in_context(NonRecordingSpan(telemetry._span_context(PARENT)))
    theirs = telemetry._TRACER.start_span(ours.name, context, kind, ours.attributes)
    theirs.set_status(Status(StatusCode.ERROR, "Boom"))
    theirs.end()

    assert on_the_wire(ours) == on_the_wire(*exported.get_finished_spans())
    assert ours.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.type": "send" if kind is SpanKind.PRODUCER else "process",
        "messaging.destination.name": "things.thing.v1",
        "messaging.message.id": str(UUID(int=7)),
        "messaging.message.conversation_id": "order-1",
    }


def test_a_batch_of_spans_is_sent_as_the_sdk_would_send_it(exported: InMemorySpanExporter) -> None:
    for number, kind in enumerate(
        [SpanKind.PRODUCER, SpanKind.CONSUMER, SpanKind.CONSUMER, SpanKind.CONSUMER]
    ):
        message = (f"things.thing.v{number}", UUID(int=number), f"order-{number}")
        parent = f"00-{number + 1:032x}-{number + 1:016x}-01"
        span = telemetry.message_span(kind, "things.counted.v1", message, parent, 0 if number else 1_000)
        if number in (1, 3):
            span.set_status(Status(StatusCode.ERROR, "Boom"))
        span.end()
        telemetry._TRACER.start_span("process things.counted.v1").end()
        trace.get_tracer("another", tracer_provider=telemetry._provider).start_span(f"GET {number}").end()
    spans = exported.get_finished_spans()
    assert len(spans) == 12
    assert sorted(sent(encode_spans(spans))) == sorted(sent(telemetry.encode(spans)))
    assert telemetry.encode(spans[1:3]) == encode_spans(spans[1:3])


def sent(request: Any) -> list[bytes]:
    """Each span of a request, with the resource and the scope that it is of."""
    return [
        resource.resource.SerializeToString() + scope.scope.SerializeToString() + span.SerializeToString()
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def test_the_exporter_asks_for_each_name_of_messages_once(
    exported: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []

    def counting(spans: Sequence[ReadableSpan]) -> Any:
        encoded.append(len(spans))
        return encode_spans(spans)

    monkeypatch.setattr(telemetry, "encode_spans", counting)
    for _ in range(10):
        telemetry.message_span(SpanKind.PRODUCER, "things.counted.v1", MESSAGE, PARENT).end()
        telemetry.message_span(SpanKind.CONSUMER, "things.counted.v1", MESSAGE, PARENT).end()
    spans = exported.get_finished_spans()
    # What it then finds is no receiver.
    OTLPSpanExporter("http://127.0.0.1:1", timeout=0.01).export(spans)
    assert encoded == [2]


def test_what_follows_a_message_continues_its_span(exported: InMemorySpanExporter) -> None:
    span = telemetry.message_span(SpanKind.CONSUMER, "things.counted.v1", MESSAGE, PARENT)
    traceparent = telemetry.traceparent_of(span)
    assert traceparent is not None
    version, trace_id, span_id, flags = traceparent.split("-")
    assert (version, trace_id, flags) == ("00", PARENT.split("-")[1], "01")
    assert span_id != PARENT.split("-")[2]


def test_a_trace_that_is_not_sampled_costs_no_span_and_goes_on(exported: InMemorySpanExporter) -> None:
    span = telemetry.message_span(SpanKind.CONSUMER, "things.counted.v1", MESSAGE, NOT_SAMPLED)
    span.end()
    assert exported.get_finished_spans() == ()
    assert telemetry.traceparent_of(span) == NOT_SAMPLED


def test_what_follows_a_message_that_is_not_sampled_is_not_sampled_either() -> None:
    message = RawMessage(MESSAGE[0], (0, 0), b"a", b"{}", [])
    cause = Cause(None, MESSAGE[2], NOT_SAMPLED)
    head = Envelope(MESSAGE[1], "/things", "things.counted.v1", "a", datetime.now(UTC), None, cause)
    received, _ = _traced(Accepted(message, head, MagicMock()))
    assert received.cause == cause


@pytest.mark.parametrize("parent", [None, "", "00-zz-zz-01"])
def test_a_message_without_a_trace_begins_one(parent: str | None, exported: InMemorySpanExporter) -> None:
    telemetry.message_span(SpanKind.PRODUCER, "things.counted.v1", MESSAGE, parent).end()
    (span,) = exported.get_finished_spans()
    assert span.parent is None
    assert (span.name, span.kind) == ("publish things.counted.v1", SpanKind.PRODUCER)


def test_with_links_a_consumer_begins_a_trace_that_points_back(
    exported: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "_LINKS", True)
    telemetry.message_span(SpanKind.PRODUCER, "things.counted.v1", MESSAGE, PARENT).end()
    telemetry.message_span(SpanKind.CONSUMER, "things.counted.v1", MESSAGE, PARENT).end()
    published, processed = exported.get_finished_spans()
    remote = telemetry._span_context(PARENT)
    assert (published.parent, list(published.links)) == (remote, [])
    assert processed.parent is None
    assert [link.context for link in processed.links] == [remote]


@pytest.mark.parametrize(
    "environment", [{}, {"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://nowhere"}]
)
def test_without_a_receiver_or_with_the_sdk_disabled_no_span_is_recorded(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    telemetry.configure_tracing("things")
    assert telemetry._provider is None
    span = telemetry.message_span(SpanKind.CONSUMER, "things.counted.v1", MESSAGE, PARENT)
    assert isinstance(span, NonRecordingSpan)
    assert telemetry.traceparent_of(span) == PARENT


@pytest.mark.parametrize(("told", "size"), [(None, 16_384), ("1000", 1_000)])
def test_the_queue_of_spans_is_long_unless_somebody_says_how_long(
    monkeypatch: pytest.MonkeyPatch, told: str | None, size: int
) -> None:
    monkeypatch.setattr(telemetry, "_provider", None)
    monkeypatch.setattr(telemetry, "_exporting", None, raising=False)
    monkeypatch.setattr(trace, "set_tracer_provider", lambda _: None)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "things")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", told or "")
    if told is None:
        monkeypatch.delenv("OTEL_BSP_MAX_QUEUE_SIZE")
    telemetry.configure_tracing("things")
    assert telemetry._provider is not None
    assert telemetry._exporting._batch_processor._queue.maxlen == size
    assert "OTEL_BSP_MAX_EXPORT_BATCH_SIZE" not in os.environ
    telemetry.end_tracing()
